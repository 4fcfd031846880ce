#include "sources/hwmon_chip.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"

namespace everywatt::hwmon {
namespace {

namespace fs = std::filesystem;

// Where the driver states no accuracy: BMC and PMBus meters are good to 3 to 5 %.
constexpr double kError = 0.05;
// Nothing on a board is better than a laboratory's analyser, whatever it says.
constexpr double kLeastError = 0.005;

std::string text_of(const fs::path& path) { return read_line(path).value_or(""); }

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// "95.0%": the meter is right to 5 % (kernel: drivers/hwmon/acpi_power_meter.c). ±a is a/√3 (GUM 4.3.7).
double error_from(const std::string& accuracy) {
  std::string_view text = accuracy;
  if (text.ends_with('%')) text.remove_suffix(1);
  const auto percent = parse_double(text);
  if (!percent || *percent < 50 || *percent >= 100) return kError;
  return std::max(kLeastError, (100 - *percent) / 100 / std::sqrt(3.0));
}

// The numbers N for which the chip has prefixN + suffix.
std::set<unsigned> numbers(const Chip& chip, std::string_view prefix, std::string_view suffix) {
  std::set<unsigned> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{chip.path, error}) {
    const std::string file = entry.path().filename();
    if (!file.ends_with(suffix)) continue;
    const auto stem = std::string_view{file}.substr(0, file.size() - suffix.size());
    if (const auto number = number_after(stem, prefix)) found.insert(*number);
  }
  return found;
}

Meter power_meter(const Chip& chip, unsigned number) {
  const std::string attribute = "power" + std::to_string(number);
  const fs::path file = chip.path / attribute;
  Meter meter{.attribute = attribute, .files = {}};
  const bool is_averaged = is_there(file.string() + "_average");
  meter.files = {file.string() + (is_averaged ? "_average" : "_input")};
  if (is_averaged) {
    const auto interval = read_u64(file.string() + "_average_interval");
    meter.window =
        interval ? static_cast<Nanoseconds>(std::min<std::uint64_t>(*interval, 3'600'000)) * kMillisecond : 0;
  }
  meter.label = text_of(file.string() + "_label");
  if (meter.label.empty()) meter.label = text_of(file.string() + "_oem_info");
  meter.error = error_from(text_of(file.string() + "_accuracy"));
  return meter;
}

// Voltage and current of one rail: the TI monitors number them alike; elsewhere
// equal labels say it (a PMBus chip's in1 is its input and curr1 its output).
std::vector<Meter> rails_by_product(const Chip& chip) {
  std::vector<Meter> rails;
  for (const unsigned number : numbers(chip, "curr", "_input")) {
    const std::string n = std::to_string(number);
    const fs::path voltage = chip.path / ("in" + n + "_input");
    const std::string label = text_of(chip.path / ("in" + n + "_label"));
    const bool same_label = !label.empty() && label == text_of(chip.path / ("curr" + n + "_label"));
    if (number == 0 || !is_there(voltage) || !(chip.name.starts_with("ina") || same_label)) continue;
    rails.push_back({.attribute = "in" + n,
                     .label = label,
                     .files = {voltage, chip.path / ("curr" + n + "_input")},
                     .error = kError});
  }
  return rails;
}

}  // namespace

std::optional<unsigned> number_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  const auto number = parse_u64(text.substr(prefix.size()));
  return number && *number <= UINT16_MAX ? std::optional{static_cast<unsigned>(*number)} : std::nullopt;
}

std::vector<Chip> find_chips(const fs::path& hwmon) {
  std::map<unsigned, Chip> chips;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{hwmon, error}) {
    const std::string directory = entry.path().filename();
    const auto number = number_after(directory, "hwmon");
    if (!number) continue;
    Chip chip{.directory = directory, .path = entry.path(), .name = text_of(entry.path() / "name")};
    if (chip.name.empty()) chip.name = text_of(entry.path() / "device/name");
    if (chip.name.empty()) chip.name = directory;
    chips[*number] = std::move(chip);
  }
  std::vector<Chip> ordered;
  for (auto& [number, chip] : chips) ordered.push_back(std::move(chip));
  return ordered;
}

std::vector<Meter> find_meters(const Chip& chip) {
  std::vector<Meter> meters;
  for (const unsigned number : numbers(chip, "energy", "_input")) {
    const std::string attribute = "energy" + std::to_string(number);
    meters.push_back({.kind = ChannelKind::energy,
                      .attribute = attribute,
                      .label = text_of(chip.path / (attribute + "_label")),
                      .files = {chip.path / (attribute + "_input")},
                      .error = kError});
  }
  std::set<unsigned> power = numbers(chip, "power", "_input");
  power.merge(numbers(chip, "power", "_average"));
  for (const unsigned number : power) meters.push_back(power_meter(chip, number));
  return meters.empty() ? rails_by_product(chip) : meters;
}

bool is_gpu(const Chip& chip) {
  constexpr std::string_view kDrivers[] = {"amdgpu", "radeon", "nouveau", "i915", "xe"};
  return std::ranges::find(kDrivers, chip.name) != std::end(kDrivers);
}

bool is_battery(const Chip& chip, const Meter& meter) {
  return chip.name.starts_with("BAT") || text_of(chip.path / (meter.attribute + "_is_battery")) == "1";
}

// Server power supplies (kernel: drivers/hwmon/pmbus); `pin` is what they draw from the mains.
bool is_power_supply(const Chip& chip) {
  constexpr std::string_view kDrivers[] = {"acbel", "bel",       "pfe",   "crps",   "dps",
                                           "fsp",   "ibm_cffps", "cffps", "inspur", "ipsps"};
  return std::ranges::any_of(kDrivers, [&](std::string_view d) { return chip.name.starts_with(d); });
}

bool is_switched_off(const Chip& chip, const Meter& meter) {
  return text_of(chip.path / (meter.attribute + "_enable")) == "0";
}

}  // namespace everywatt::hwmon
