#include "import/mllog_node.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/text.h"
#include "import/line_findings.h"
#include "import/mllog_line.h"
#include "import/trace_device.h"

namespace everywatt {
namespace {

// Relative standard uncertainty of a node's BMC meter: 2 to 3 %, an engineering
// prior (supplies' own accuracy over PMBus is stated as 3 to 5 % at the limits).
constexpr double kBmcUncertainty = 0.025;
// An estimate from a data sheet says as little as a thermal design power.
constexpr double kEstimateUncertainty = 0.40;

constexpr double kMicrojoulesPerJoule = 1e6;

std::string stem(std::string_view file) { return std::string{file.substr(0, file.find_last_of('.'))}; }

// Empty: the line is no reading and was not meant to be one.
Result<std::optional<PowerReading>> reading_of(std::string_view line, std::string_view key,
                                               std::string* switch_id = nullptr) {
  const auto payload = mllog_payload(line);
  if (!payload) return fail(Errc::malformed, "no :::MLLOG record");
  TRY(const MllogRecord record, parse_mllog(*payload));
  if (record.key == "power_measurement_start" || record.key == "power_measurement_stop") return std::nullopt;
  if (record.key != key) return fail(Errc::malformed, fmt::format("the key is not {}", key));
  if (std::holds_alternative<std::monostate>(record.value)) return fail(Errc::malformed, "the value is missing");
  const double* watts = std::get_if<double>(&record.value);
  if (!watts || !std::isfinite(*watts)) return fail(Errc::malformed, "the value is not a number");
  if (*watts < 0) return fail(Errc::malformed, "the value is negative");
  if (*watts * watt > kMostPower) return fail(Errc::malformed, "the value is more than any meter reads");
  if (const auto id = record.metadata.find("switch_id"); switch_id && id != record.metadata.end())
    *switch_id = id->second;
  return PowerReading{record.time, *watts * watt};
}

std::string day(Nanoseconds wall) {
  const std::time_t seconds = wall / kSecond;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

ImportedDevice estimate(const std::string& id, PowerReading reading, TimeSpan run) {
  ImportedDevice device{.device = {.id = "interconnect:" + id, .kind = DeviceKind::interconnect},
                        .counted = false,
                        .method = Method::assumed,
                        .sensor = "mllog:interconnect_power_est",
                        .correlation = "mllog-switch-estimate",
                        .flags = {"estimate"}};
  const double joules = (reading.power / watt) * (static_cast<double>(run.length()) / static_cast<double>(kSecond));
  const double microjoules = joules * kMicrojoulesPerJoule;
  if (microjoules > 4e18) {
    device.method = std::nullopt;
    device.reason = "the energy is more than a ledger can hold: check the unit";
    return device;
  }
  device.curve.append(run.begin, 0);
  device.curve.append(run.end, std::llround(microjoules));
  device.uncertainty_systematic = std::llround(kEstimateUncertainty * microjoules);
  return device;
}

}  // namespace

MllogNode parse_mllog_node(std::string_view file, std::string_view text, TimeSpan run) {
  MllogNode node;
  LineFindings bad;
  std::size_t number = 0;
  std::size_t zeros = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    const auto reading = reading_of(line, "power_reading");
    if (!reading)
      bad.add(number, reading.error().what);
    else if (*reading)
      node.readings.push_back(**reading);
    if (reading && *reading && (*reading)->power == 0.0 * watt) ++zeros;
  }
  node.device.device = {.id = "node:" + stem(file), .kind = DeviceKind::node};
  node.device.sensor = "mllog:power_reading";
  node.device.correlation = "mllog-node-meter";
  fill(node.device, trace_power(node.readings, run), Method::integrated, kBmcUncertainty, node.notices);
  if (!bad.empty()) {
    node.device.flags.push_back("bad-lines");
    node.notices.push_back(fmt::format("{}: {} of {} readings left out: {}", file, bad.count(),
                                       bad.count() + node.readings.size(), bad.text()));
  }
  if (zeros > 0) node.notices.push_back(fmt::format("{}: {} readings of 0 W are taken at their word", file, zeros));
  return node;
}

std::vector<ImportedDevice> parse_mllog_switch(std::string_view file, std::string_view text, TimeSpan run,
                                               std::vector<std::string>& notices) {
  std::vector<ImportedDevice> devices;
  LineFindings bad;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trim(line).empty()) continue;
    std::string id = stem(file);
    const auto reading = reading_of(line, "interconnect_power_est", &id);
    if (!reading) bad.add(number, reading.error().what);
    if (!reading || !*reading) continue;
    if (std::ranges::any_of(devices, [&](const auto& known) { return known.device.id == "interconnect:" + id; })) {
      bad.add(number, "a second estimate for " + id);
      continue;
    }
    devices.push_back(estimate(id, **reading, run));
    const bool is_of_the_run = (*reading)->time >= run.begin && (*reading)->time <= run.end;
    notices.push_back(fmt::format("{}: {} is an estimate of {:g} W stamped {}{}: taken over the whole run, not counted",
                                  file, devices.back().device.id, (*reading)->power / watt, day((*reading)->time),
                                  is_of_the_run ? "" : ", outside the run"));
  }
  if (!bad.empty()) notices.push_back(fmt::format("{}: left out: {}", file, bad.text()));
  return devices;
}

std::optional<Energy> parse_mllog_total(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const auto parts = words(line.substr(colon + 1));
    if (parts.size() != 2 || parts[1] != "kWh") continue;
    if (const auto kwh = parse_double(parts[0]); kwh && *kwh >= 0) return *kwh * kilowatt_hour;
  }
  return std::nullopt;
}

}  // namespace everywatt
