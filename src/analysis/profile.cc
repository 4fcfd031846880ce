#include "analysis/profile.h"

#include <algorithm>
#include <cmath>

#include "model/work_name.h"

namespace everywatt {
namespace {

bool is_accelerator(DeviceKind kind) {
  return kind == DeviceKind::gpu || kind == DeviceKind::mig || kind == DeviceKind::module;
}

std::string fact(const Run& run, const std::string& key) {
  const auto found = run.environment.find(key);
  return found == run.environment.end() ? std::string{} : found->second;
}

// Of the devices that the run used: what measured them, and what limits held.
void add_devices(const Bill& bill, std::map<std::string, std::string>& environment) {
  for (const DeviceBill& device : bill.devices) {
    const DeviceRecord& record = device.record;
    if (!record.counted) continue;
    environment["measured by: " + record.device.id] =
        record.method ? record.sensor.empty() ? std::string{to_string(*record.method)} : record.sensor : "nothing";
    if (!is_accelerator(record.device.kind)) continue;
    for (const QuantityRecord& quantity : record.quantities) {
      const bool is_setting = quantity.name == "power_limit" || quantity.name == "memory_clock";
      if (is_setting && quantity.most)
        environment[quantity.name + ": " + record.device.id] =
            std::to_string(std::llround(*quantity.most)) + " " + quantity.unit;
    }
  }
}

std::map<std::string, std::string> environment_of(const Bill& bill) {
  std::map<std::string, std::string> environment = bill.run.environment;
  add_devices(bill, environment);
  for (const auto& [key, value] : bill.run.tags) environment["tag: " + key] = value;
  if (!bill.run.model_version.empty()) environment["model version"] = bill.run.model_version;
  std::string precisions, command;
  for (const auto& [what, amount] : bill.run.work) {
    if (what.starts_with(kFlops) && amount > 0)
      precisions += (precisions.empty() ? "" : ", ") + what.substr(kFlops.size());
  }
  if (!precisions.empty()) environment["precision"] = precisions;
  for (const std::string& word : bill.run.command) command += (command.empty() ? "" : " ") + word;
  if (!command.empty()) environment["command"] = command;
  return environment;
}

std::optional<double> flops_of(const Run& run) {
  std::optional<double> sum;
  for (const auto& [what, amount] : run.work) {
    if (what.starts_with(kFlops)) sum = sum.value_or(0) + amount;
  }
  return sum;
}

Result<const PhaseBill*> find_phase(const Bill& bill, const std::string& name) {
  std::vector<const PhaseBill*> ends;
  std::string others;
  for (const PhaseBill& phase : bill.phases) {
    if (phase.path == name) return &phase;
    if (phase.path.ends_with("/" + name)) ends.push_back(&phase);
    if (!phase.path.empty()) others += (others.empty() ? "" : ", ") + phase.path;
  }
  if (ends.size() == 1) return ends.front();
  if (others.empty())
    return fail(Errc::absent,
                "run " + bill.run.id + " has no phases: its job must mark them (everywatt.phase, everywatt.h)");
  return fail(Errc::absent, "run " + bill.run.id + (ends.empty() ? " has no phase '" : " has several phases '") + name +
                                "': expected one of " + others);
}

}  // namespace

std::string hardware_of(const Bill& bill) {
  std::string text = fact(bill.run, "cpu");
  if (const std::string cpus = fact(bill.run, "cpus"); !cpus.empty())
    text += (text.empty() ? "" : ", ") + cpus + " CPUs";
  std::map<std::string, std::size_t> accelerators;
  for (const DeviceBill& device : bill.devices) {
    const DeviceRecord& record = device.record;
    if (record.counted && is_accelerator(record.device.kind) && record.reserved_time > 0)
      ++accelerators[record.device.model];
  }
  for (const auto& [model, count] : accelerators)
    text += (text.empty() ? "" : " + ") + std::to_string(count) + " × " + model;
  return text.empty() ? "not known" : text;
}

Result<Profile> profile_of(const Bill& bill, const std::string& phase) {
  TRY(const PhaseBill* const found, find_phase(bill, phase));
  Profile profile{.run = bill.run.id,
                  .name = bill.run.name,
                  .model = bill.run.model.empty() ? bill.run.name : bill.run.model,
                  .hardware = hardware_of(bill),
                  .boundary = bill.run.boundary,
                  .environment = environment_of(bill),
                  .phase = found->path,
                  .times = found->times,
                  .duration = bill.duration,
                  .energy = bill.energy.total,
                  .idle = bill.energy.idle,
                  .flops = flops_of(bill.run)};
  for (const PhaseBill& part : bill.phases) {
    const auto name = part.path.substr(part.path.rfind('/') + 1);
    if (name.starts_with("wait:")) profile.waits += part.self;
  }
  return profile;
}

}  // namespace everywatt
