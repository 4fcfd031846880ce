#include "import/config_reader.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace everywatt {
namespace {

using nlohmann::json;

constexpr Count kMostCount = 1e9;

std::vector<std::string> texts_of(const json& list) {
  std::vector<std::string> texts;
  if (!list.is_array()) return texts;
  for (const json& member : list) {
    if (member.is_string()) texts.push_back(member.get<std::string>());
    if (member.is_number_integer()) texts.push_back(std::to_string(member.get<std::int64_t>()));
  }
  return texts;
}

}  // namespace

Result<ConfigReader> ConfigReader::parse(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return fail(Errc::malformed, "is no JSON object; expected a model's config.json");
  ConfigReader reader;
  for (const auto& [name, value] : object.items()) {
    if (value.is_boolean()) reader.fields_[name] = value.get<bool>();
    if (value.is_number()) reader.fields_[name] = value.get<double>();
    if (value.is_string()) reader.fields_[name] = value.get<std::string>();
    if (value.is_structured()) reader.fields_[name] = Collection{.size = value.size(), .texts = texts_of(value)};
  }
  return reader;
}

bool ConfigReader::has_like(std::string_view part) const {
  for (const auto& [name, value] : fields_)
    if (name.find(part) != name.npos) return true;
  return false;
}

Count ConfigReader::need(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (const Value* value = find(name)) return count(name, *value, 1);
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : " or ") + std::string{name};
  refuse(text + " is missing");
  return 1;
}

Count ConfigReader::count_or(std::string_view name, Count otherwise) {
  const Value* value = find(name);
  return value ? count(name, *value, 1) : otherwise;
}

Count ConfigReader::number_or(std::string_view name, Count otherwise) {
  const Value* value = find(name);
  return value ? count(name, *value, 0) : otherwise;
}

bool ConfigReader::flag_or(std::string_view name, bool otherwise) {
  const Value* value = find(name);
  if (!value) return otherwise;
  if (const bool* flag = std::get_if<bool>(value)) return *flag;
  refuse(std::string{name} + " is neither true nor false");
  return otherwise;
}

std::string ConfigReader::text_or(std::string_view name, std::string_view otherwise) {
  const Value* value = find(name);
  if (!value) return std::string{otherwise};
  if (const auto* text = std::get_if<std::string>(value)) return *text;
  refuse(std::string{name} + " is no text");
  return std::string{otherwise};
}

std::vector<std::string> ConfigReader::list(std::string_view name) const {
  const Value* value = find(name);
  const auto* collection = value ? std::get_if<Collection>(value) : nullptr;
  return collection ? collection->texts : std::vector<std::string>{};
}

std::optional<std::size_t> ConfigReader::size(std::string_view name) const {
  const Value* value = find(name);
  const auto* collection = value ? std::get_if<Collection>(value) : nullptr;
  return collection ? std::optional{collection->size} : std::nullopt;
}

void ConfigReader::refuse(std::string why) {
  if (!problem_) problem_ = std::move(why);
}

const ConfigReader::Value* ConfigReader::find(std::string_view name) const {
  const auto found = fields_.find(name);
  return found == fields_.end() ? nullptr : &found->second;
}

Count ConfigReader::count(std::string_view name, const Value& value, Count least) {
  const double* number = std::get_if<double>(&value);
  if (number && *number >= least && *number <= kMostCount && std::floor(*number) == *number) return *number;
  refuse(std::string{name} + " is no whole number from " + (least > 0 ? "1" : "0") + " to 1e9");
  return 1;
}

}  // namespace everywatt
