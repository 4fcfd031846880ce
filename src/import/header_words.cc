#include "import/header_words.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace everywatt {
namespace {

using Quantity = PowerUnit::Quantity;

struct NamedUnit {
  std::string_view name;
  PowerUnit unit;
};

constexpr auto kUnits = std::to_array<NamedUnit>({
    {"W", {Quantity::power, 1}},
    {"kW", {Quantity::power, 1e3}},
    {"mW", {Quantity::power, 1e-3}},
    {"MW", {Quantity::power, 1e6}},
    {"uW", {Quantity::power, 1e-6}},
    {"µW", {Quantity::power, 1e-6}},
    {"J", {Quantity::energy, 1}},
    {"kJ", {Quantity::energy, 1e3}},
    {"mJ", {Quantity::energy, 1e-3}},
    {"MJ", {Quantity::energy, 1e6}},
    {"uJ", {Quantity::energy, 1e-6}},
    {"µJ", {Quantity::energy, 1e-6}},
    {"Wh", {Quantity::energy, 3600}},
    {"kWh", {Quantity::energy, 3.6e6}},
    {"mWh", {Quantity::energy, 3.6}},
    {"MWh", {Quantity::energy, 3.6e9}},
});

constexpr auto kSpelled = std::to_array<NamedUnit>({
    {"w", {Quantity::power, 1}},
    {"watt", {Quantity::power, 1}},
    {"watts", {Quantity::power, 1}},
    {"kw", {Quantity::power, 1e3}},
    {"kilowatt", {Quantity::power, 1e3}},
    {"kilowatts", {Quantity::power, 1e3}},
    {"mw", {Quantity::power, 1e-3}},
    {"milliwatt", {Quantity::power, 1e-3}},
    {"milliwatts", {Quantity::power, 1e-3}},
    {"uw", {Quantity::power, 1e-6}},
    {"microwatts", {Quantity::power, 1e-6}},
    {"j", {Quantity::energy, 1}},
    {"joule", {Quantity::energy, 1}},
    {"joules", {Quantity::energy, 1}},
    {"kj", {Quantity::energy, 1e3}},
    {"mj", {Quantity::energy, 1e-3}},
    {"millijoules", {Quantity::energy, 1e-3}},
    {"uj", {Quantity::energy, 1e-6}},
    {"microjoules", {Quantity::energy, 1e-6}},
    {"wh", {Quantity::energy, 3600}},
    {"kwh", {Quantity::energy, 3.6e6}},
});

constexpr auto kMeasured = std::to_array<std::string_view>(
    {"power", "energy", "draw", "consumption", "consumed", "usage", "active", "average", "avg", "instant",
     "instantaneous", "current", "leistung", "energie", "counter", "reading", "value", "total", "sum"});
constexpr auto kTimes =
    std::to_array<std::string_view>({"time", "timestamp", "date", "datetime", "epoch", "elapsed", "t", "ts", "unixtime",
                                     "seconds", "zeit", "uhrzeit", "datum", "zeitstempel"});
constexpr auto kDevices = std::to_array<std::string_view>(
    {"device", "gpu", "index", "uuid", "host", "hostname", "node", "outlet", "meter", "sensor", "device_id", "gpu_id",
     "gpu_uuid", "gpu_index", "device_name", "node_name", "instance"});
constexpr auto kDraws = std::to_array<std::string_view>(
    {"power", "energy", "draw", "consumption", "watt", "watts", "leistung", "energie", "joules"});
constexpr auto kNoDraws = std::to_array<std::string_view>({"limit", "max", "min", "maximum", "minimum", "cap", "budget",
                                                           "threshold", "default", "rated", "peak", "factor", "cost",
                                                           "price", "std", "stddev", "apparent", "reactive", "va"});

bool contains(std::span<const std::string_view> words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_part_of_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool has_any(std::string_view header, std::span<const std::string_view> words) {
  const auto found = header_words(header);
  return std::ranges::any_of(found, [&](const std::string& word) { return contains(words, lower(word)); });
}

bool is_all_capitals(std::string_view header) {
  return std::ranges::none_of(header, [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

std::string lower(std::string_view text) {
  std::string lowered{text};
  for (char& c : lowered)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lowered;
}

std::optional<PowerUnit> parse_power_unit(std::string_view text) {
  for (const NamedUnit& known : kUnits)
    if (known.name == text) return known.unit;
  const std::string lowered = lower(text);
  for (const NamedUnit& known : kSpelled)
    if (known.name == lowered) return known.unit;
  return std::nullopt;
}

std::vector<std::string> header_words(std::string_view header) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : header) {
    if (is_part_of_word(c)) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::optional<PowerUnit> unit_of_header(std::string_view header) {
  auto words = header_words(header);
  std::ranges::reverse(words);
  for (const std::string& word : words) {
    const auto unit = parse_power_unit(word);
    if (!unit) continue;
    const bool is_vague = word.front() == 'M' && words.size() > 1 && is_all_capitals(header);
    return is_vague ? std::nullopt : unit;
  }
  return std::nullopt;
}

std::string thing_of_header(std::string_view header) {
  std::string thing;
  for (const std::string& word : header_words(header)) {
    if (contains(kMeasured, lower(word)) || parse_power_unit(word)) continue;
    thing += (thing.empty() ? "" : "_") + word;
  }
  return thing;
}

bool is_time_header(std::string_view header) { return has_any(header, kTimes) && !unit_of_header(header); }

bool is_device_header(std::string_view header) {
  std::string joined;
  for (const std::string& word : header_words(header)) joined += (joined.empty() ? "" : "_") + lower(word);
  return contains(kDevices, joined);
}

bool is_draw_header(std::string_view header) {
  return !has_any(header, kNoDraws) && (unit_of_header(header) || has_any(header, kDraws));
}

}  // namespace everywatt
