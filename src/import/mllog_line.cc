#include "import/mllog_line.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace everywatt {
namespace {

using nlohmann::json;

constexpr std::string_view kMllog = ":::MLLOG";
constexpr std::string_view kSysjson = ":::SYSJSON";
// 2262 and later do not fit a nanosecond count.
constexpr double kMostMilliseconds = 9.2e12;

std::optional<std::string_view> behind(std::string_view token, std::string_view line) {
  const auto at = line.find(token);
  if (at == line.npos) return std::nullopt;
  return trim(line.substr(at + token.size()));
}

std::optional<json> parse_object(std::string_view text) {
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  return object;
}

const json* member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<Nanoseconds> time_of(const json& object) {
  const json* time = member(object, "time_ms");
  if (!time) return fail(Errc::malformed, "time_ms is missing");
  if (!time->is_number()) return fail(Errc::malformed, "time_ms is not a number");
  const double milliseconds = time->get<double>();
  if (!(milliseconds >= 0 && milliseconds < kMostMilliseconds)) return fail(Errc::malformed, "time_ms is out of range");
  if (time->is_number_integer()) return time->get<std::int64_t>() * kMillisecond;
  return static_cast<Nanoseconds>(std::llround(milliseconds * static_cast<double>(kMillisecond)));
}

MllogRecord::Value value_of(const json* value) {
  if (!value) return {};
  if (value->is_boolean()) return value->get<bool>();
  if (value->is_number()) return value->get<double>();
  if (value->is_string()) return value->get<std::string>();
  if (!value->is_object()) return {};
  std::map<std::string, double> numbers;
  for (const auto& [name, inner] : value->items())
    if (inner.is_number()) numbers[name] = inner.get<double>();
  return numbers;
}

MllogRecord::Event event_of(const json& object) {
  const json* event = member(object, "event_type");
  const std::string text = event && event->is_string() ? event->get<std::string>() : "";
  if (text == "INTERVAL_START") return MllogRecord::Event::begin;
  if (text == "INTERVAL_END") return MllogRecord::Event::end;
  return MllogRecord::Event::point;
}

void collect(const json& object, std::map<std::string, std::string>& found) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_string() && !value.get_ref<const std::string&>().empty()) found[name] = value.get<std::string>();
    if (value.is_number()) found[name] = value.dump();
    if (!value.is_object()) continue;
    for (const auto& [inner, text] : value.items())
      if (text.is_string() && !text.get_ref<const std::string&>().empty()) found[inner] = text.get<std::string>();
  }
}

}  // namespace

std::optional<std::string_view> mllog_payload(std::string_view line) { return behind(kMllog, line); }

Result<MllogRecord> parse_mllog(std::string_view payload) {
  const auto object = parse_object(payload);
  if (!object) return fail(Errc::malformed, "no valid JSON");
  const json* key = member(*object, "key");
  if (!key || !key->is_string()) return fail(Errc::malformed, "key is missing");
  TRY(const Nanoseconds time, time_of(*object));
  MllogRecord record{.key = key->get<std::string>(),
                     .event = event_of(*object),
                     .time = time,
                     .value = value_of(member(*object, "value"))};
  if (const json* metadata = member(*object, "metadata"); metadata && metadata->is_object())
    for (const auto& [name, text] : metadata->items())
      if (text.is_string()) record.metadata[name] = text.get<std::string>();
  return record;
}

std::optional<std::string_view> sysjson_payload(std::string_view line) {
  const auto at = line.find(kSysjson);
  if (at == line.npos) return std::nullopt;
  // A shell that echoes its commands shows the line a second time, quoted.
  const bool is_prefix =
      std::ranges::all_of(line.substr(0, at), [](char c) { return c == ' ' || c == ':' || (c >= '0' && c <= '9'); });
  return is_prefix ? behind(kSysjson, line) : std::nullopt;
}

Result<std::map<std::string, std::string>> parse_sysjson(std::string_view payload) {
  const auto object = parse_object(payload);
  if (!object) return fail(Errc::malformed, "no valid JSON");
  std::map<std::string, std::string> found;
  collect(*object, found);
  return found;
}

}  // namespace everywatt
