// The stand-in's functions about what a GPU is, draws and does.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <span>

#include "tests/lab/standin.h"
#include "tests/lab/standin_power.h"

using namespace everywatt;
using namespace everywatt::lab;
using nvml::Device;
using nvml::Return;

LAB_EXPORT Return nvmlDeviceGetUUID(Device device, char* into, std::uint32_t size) {
  return on_device(device, "nvmlDeviceGetUUID", [&](Subject& subject) {
    return copy_text(subject.instance ? subject.instance->uuid : subject.spec.uuid, into, size);
  });
}
LAB_EXPORT Return nvmlDeviceGetName(Device device, char* into, std::uint32_t size) {
  return on_device(device, "nvmlDeviceGetName", [&](Subject& subject) {
    return copy_text(subject.spec.name + (subject.instance ? " MIG " + subject.instance->profile : ""), into, size);
  });
}
LAB_EXPORT Return nvmlDeviceGetSerial(Device device, char* into, std::uint32_t size) {
  return on_gpu(device, "nvmlDeviceGetSerial",
                [&](Subject& subject) { return copy_text(subject.spec.serial, into, size); });
}
LAB_EXPORT Return nvmlDeviceGetIndex(Device device, std::uint32_t* index) {
  return on_gpu(device, "nvmlDeviceGetIndex", [&](Subject& subject) {
    *index = subject.index;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetMinorNumber(Device device, std::uint32_t* minor) {
  return on_gpu(device, "nvmlDeviceGetMinorNumber", [&](Subject& subject) {
    *minor = subject.index;
    return Return::success;
  });
}

namespace {

std::uint32_t bus_of(std::uint32_t index) { return 0x10 + index; }
std::string bus_id_of(std::uint32_t index) { return fmt::format("00000000:{:02X}:00.0", bus_of(index)); }

}  // namespace

LAB_EXPORT Return nvmlDeviceGetPciInfo_v3(Device device, nvml::PciInfo* info) {
  return on_gpu(device, "nvmlDeviceGetPciInfo_v3", [&](Subject& subject) {
    if (!info) return Return::invalid_argument;
    const std::string bus_id = bus_id_of(subject.index);
    *info = {};
    info->bus = bus_of(subject.index);
    info->device_id = 0x233010de;
    info->subsystem_id = 0x16c110de;
    (void)copy_text(bus_id, info->bus_id, sizeof info->bus_id);
    return copy_text(bus_id.substr(4), info->legacy_bus_id, sizeof info->legacy_bus_id);
  });
}
LAB_EXPORT Return nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, Device* device) {
  if (!bus_id || !device) return Return::invalid_argument;
  const std::string_view wanted = bus_id;
  return state().on_library("nvmlDeviceGetHandleByPciBusId_v2", [&](Node& node, std::uint32_t generation) {
    for (std::uint32_t gpu = 0; gpu < node.gpus.size(); ++gpu) {
      // With a domain of four or eight digits.
      if (wanted.size() < 12 || !bus_id_of(gpu).ends_with(wanted)) continue;
      *device = handle_of(generation, gpu);
      return Return::success;
    }
    return Return::not_found;
  });
}

LAB_EXPORT Return nvmlDeviceGetArchitecture(Device device, nvml::Architecture* architecture) {
  return on_device(device, "nvmlDeviceGetArchitecture", [&](Subject& subject) {
    *architecture = subject.spec.architecture;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetCudaComputeCapability(Device device, int* major, int* minor) {
  return on_device(device, "nvmlDeviceGetCudaComputeCapability", [&](Subject& subject) {
    *major = subject.spec.compute_capability[0];
    *minor = subject.spec.compute_capability[1];
    return Return::success;
  });
}

LAB_EXPORT Return nvmlDeviceGetPowerUsage(Device device, std::uint32_t* milliwatts) {
  return on_gpu(device, "nvmlDeviceGetPowerUsage", [&](Subject& subject) {
    if (!subject.spec.meters.usage) return Return::not_supported;
    *milliwatts = milli(subject.spec.meters.usage->shows(subject.state.power, subject.now.time));
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetTotalEnergyConsumption(Device device, std::uint64_t* energy) {
  return on_gpu(device, "nvmlDeviceGetTotalEnergyConsumption", [&](Subject& subject) {
    if (!subject.state.counter) return Return::not_supported;
    *energy = subject.state.counter->shows(subject.now.time);
    return Return::success;
  });
}

namespace {

Return limit(Device device, std::string_view call, std::uint32_t* milliwatts) {
  return on_gpu(device, call, [&](Subject& subject) {
    *milliwatts = milli(subject.spec.limit);
    return Return::success;
  });
}

}  // namespace

LAB_EXPORT Return nvmlDeviceGetEnforcedPowerLimit(Device device, std::uint32_t* milliwatts) {
  return limit(device, "nvmlDeviceGetEnforcedPowerLimit", milliwatts);
}
LAB_EXPORT Return nvmlDeviceGetPowerManagementLimit(Device device, std::uint32_t* milliwatts) {
  return limit(device, "nvmlDeviceGetPowerManagementLimit", milliwatts);
}
LAB_EXPORT Return nvmlDeviceGetPowerManagementDefaultLimit(Device device, std::uint32_t* milliwatts) {
  return limit(device, "nvmlDeviceGetPowerManagementDefaultLimit", milliwatts);
}
LAB_EXPORT Return nvmlDeviceGetPowerManagementLimitConstraints(Device device, std::uint32_t* least,
                                                               std::uint32_t* most) {
  return on_gpu(device, "nvmlDeviceGetPowerManagementLimitConstraints", [&](Subject& subject) {
    *least = milli(subject.spec.least_limit);
    *most = milli(subject.spec.limit);
    return Return::success;
  });
}

namespace {

// "field 186": what a scenario's defects call it.
class FieldName {
 public:
  explicit FieldName(nvml::Field field)
      : end_{std::to_chars(buffer_.begin() + kWord.size(), buffer_.end(), static_cast<std::uint32_t>(field)).ptr} {
    std::ranges::copy(kWord, buffer_.begin());
  }
  std::string_view text() const { return {buffer_.begin(), end_}; }

 private:
  static constexpr std::string_view kWord = "field ";
  std::array<char, 24> buffer_;
  const char* end_;
};

}  // namespace

LAB_EXPORT Return nvmlDeviceGetFieldValues(Device device, int count, nvml::FieldValue* values) {
  return on_device(device, "nvmlDeviceGetFieldValues", [&](Subject& subject) {
    if (count < 1 || !values) return Return::invalid_argument;
    const std::span fields{values, static_cast<std::size_t>(count)};
    state().count(fields);
    const bool is_sound = subject.node.scenario.defects.empty();
    for (nvml::FieldValue& value : fields) {
      value.status = is_sound
                         ? Return::success
                         : state().befalls(subject.node, FieldName{value.field}.text(), subject.index, subject.now);
      if (value.status == Return::success) value.status = read_field(subject, value);
    }
    return Return::success;
  });
}

LAB_EXPORT Return nvmlDeviceGetUtilizationRates(Device device, nvml::Utilization* rates) {
  return on_gpu(device, "nvmlDeviceGetUtilizationRates", [&](Subject& subject) {
    if (subject.spec.is_mig) return Return::not_supported;  // NVML has it of no GPU in MIG mode
    const Sensor& sensor = subject.spec.utilisation_sensor;
    rates->gpu = percent(sensor.sees(subject.spec.utilisation, subject.now.time));
    rates->memory = percent(sensor.sees(subject.spec.memory_utilisation, subject.now.time));
    return Return::success;
  });
}

namespace {

bool is_busy(const Subject& subject) {
  return subject.spec.utilisation.mean(subject.now.time - 100 * kMillisecond, subject.now.time) > 0;
}

Return clock_of(Device device, std::string_view call, nvml::Clock clock, std::uint32_t* mhz, bool is_most) {
  return on_gpu(device, call, [&](Subject& subject) {
    constexpr std::array<std::size_t, 4> kIndex = {0, 1, 2, 0};  // video goes with graphics
    const auto type = static_cast<std::size_t>(clock);
    if (type >= kIndex.size() || !mhz) return Return::invalid_argument;
    *mhz = (is_most || is_busy(subject) ? subject.spec.busy_clocks : subject.spec.idle_clocks)[kIndex[type]];
    return Return::success;
  });
}

constexpr std::pair<nvml::Field, std::uint64_t> kReasons[] = {
    {nvml::Field::power_capped_time, nvml::kReasonPowerCap},
    {nvml::Field::thermally_capped_time, nvml::kReasonHardwareSlowdown},
    {nvml::Field::software_thermal_time, nvml::kReasonSoftwareThermal},
    {nvml::Field::hardware_thermal_time, nvml::kReasonHardwareThermal},
    {nvml::Field::power_brake_time, nvml::kReasonPowerBrake},
};

Return reasons_of(Device device, std::string_view call, std::uint64_t* reasons) {
  return on_gpu(device, call, [&](Subject& subject) {
    *reasons = is_busy(subject) ? 0 : nvml::kReasonIdle;
    for (const auto& [field, reason] : kReasons) {
      const auto held = subject.spec.held_back.find(field);
      if (held != subject.spec.held_back.end() && held->second.at(subject.now.time) > 0) *reasons |= reason;
    }
    return Return::success;
  });
}

}  // namespace

LAB_EXPORT Return nvmlDeviceGetClockInfo(Device device, nvml::Clock clock, std::uint32_t* mhz) {
  return clock_of(device, "nvmlDeviceGetClockInfo", clock, mhz, false);
}
LAB_EXPORT Return nvmlDeviceGetMaxClockInfo(Device device, nvml::Clock clock, std::uint32_t* mhz) {
  return clock_of(device, "nvmlDeviceGetMaxClockInfo", clock, mhz, true);
}
LAB_EXPORT Return nvmlDeviceGetMemoryBusWidth(Device device, std::uint32_t* bits) {
  return on_gpu(device, "nvmlDeviceGetMemoryBusWidth", [&](Subject& subject) {
    if (!bits) return Return::invalid_argument;
    *bits = subject.spec.memory_bus_bits;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetCurrentClocksEventReasons(Device device, std::uint64_t* reasons) {
  return reasons_of(device, "nvmlDeviceGetCurrentClocksEventReasons", reasons);
}
LAB_EXPORT Return nvmlDeviceGetCurrentClocksThrottleReasons(Device device, std::uint64_t* reasons) {
  return reasons_of(device, "nvmlDeviceGetCurrentClocksThrottleReasons", reasons);
}
LAB_EXPORT Return nvmlDeviceGetTemperature(Device device, std::uint32_t sensor, std::uint32_t* celsius) {
  return on_gpu(device, "nvmlDeviceGetTemperature", [&](Subject& subject) {
    if (sensor != 0) return Return::invalid_argument;
    *celsius = static_cast<std::uint32_t>(std::max(0.0, subject.spec.temperature.at(subject.now.time)));
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetPerformanceState(Device device, std::int32_t* pstate) {
  return on_gpu(device, "nvmlDeviceGetPerformanceState", [&](Subject& subject) {
    *pstate = is_busy(subject) ? subject.spec.busy_pstate : subject.spec.idle_pstate;
    return Return::success;
  });
}
