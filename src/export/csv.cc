#include "export/csv.h"

#include <array>
#include <cstdio>

#include "base/clock.h"

namespace everywatt {
namespace {

std::string quoted(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == field.npos) return field;
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string joules(const std::optional<MicroJoules>& energy) {
  if (!energy) return "";
  std::array<char, 48> buffer;
  const MicroJoules whole = *energy / 1'000'000;
  const int n = std::snprintf(buffer.data(), buffer.size(), "%lld.%06lld", static_cast<long long>(whole),
                              static_cast<long long>(*energy - whole * 1'000'000));
  return {buffer.data(), static_cast<std::size_t>(n)};
}

std::string number(double value) {
  std::array<char, 48> buffer;
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.9g", value);
  return {buffer.data(), static_cast<std::size_t>(n)};
}

std::string row(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) line += (i ? "," : "") + quoted(fields[i]);
  return line + "\r\n";
}

}  // namespace

std::string devices_csv(const std::vector<Bill>& bills) {
  std::string out = row({"run", "name", "status", "started", "duration_seconds", "device", "kind", "method", "counted",
                         "measured_joules", "total_joules", "busy_joules", "idle_joules", "other_joules",
                         "unattributed_joules", "uncertainty_joules", "coverage"});
  for (const Bill& bill : bills) {
    for (const DeviceBill& device : bill.devices) {
      const DeviceRecord& record = device.record;
      const EnergyFigures& energy = device.energy;
      out +=
          row({bill.run.id, bill.run.name, std::string{to_string(bill.run.status)}, iso_time(bill.run.started.wall),
               number(static_cast<double>(bill.duration) / 1e9), record.device.id,
               std::string{to_string(record.device.kind)}, record.method ? std::string{to_string(*record.method)} : "",
               record.counted ? "true" : "false", joules(energy.measured), joules(energy.total), joules(energy.busy),
               joules(energy.idle), joules(energy.other), joules(energy.unattributed), joules(energy.uncertainty),
               number(device.coverage)});
    }
  }
  return out;
}

std::string entries_csv(const std::vector<RunRecord>& records) {
  std::string out = row({"run", "device", "phase", "account", "minute", "energy_joules"});
  for (const RunRecord& record : records) {
    for (const Entry& entry : record.entries) {
      out += row({record.run.id, entry.device, entry.phase, std::string{to_string(entry.account)},
                  iso_time(entry.minute * 60 * kSecond), joules(entry.energy)});
    }
  }
  return out;
}

}  // namespace everywatt
