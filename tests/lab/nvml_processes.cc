// The stand-in's functions about memory and who uses a GPU, and its sampled past.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "tests/lab/standin.h"
#include "tests/lab/standin_power.h"

using namespace everywatt;
using namespace everywatt::lab;
using nvml::Device;
using nvml::Return;

namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;
constexpr std::uint64_t kReserved = 600 * kMebibyte;  // by the driver
constexpr std::size_t kMostSamples = 120;             // that the driver keeps

struct Usage {
  std::uint64_t total;
  std::uint64_t used;
};

Usage memory_of(const Subject& subject) {
  Usage usage{.total = subject.spec.memory_mib * kMebibyte, .used = 0};
  if (subject.instance) usage.total = subject.instance->memory_mib * kMebibyte;
  for (const Process& process : subject.spec.processes) {
    if (subject.instance && process.instance != subject.instance->gpu_instance) continue;
    if (process.life.contains(subject.now.time)) usage.used += process.memory_mib * kMebibyte;
  }
  usage.used = std::min(usage.used, usage.total - std::min(usage.total, kReserved));
  return usage;
}

nvml::ProcessInfo info_of(const Subject& subject, const Process& process, pid_t pid) {
  nvml::ProcessInfo info{.pid = static_cast<std::uint32_t>(pid),
                         .memory = process.memory_mib * kMebibyte,
                         .gpu_instance = nvml::kNoInstance,
                         .compute_instance = nvml::kNoInstance};
  for (const MigInstance& instance : subject.spec.instances) {
    if (process.instance != instance.gpu_instance) continue;
    info.gpu_instance = instance.gpu_instance;
    info.compute_instance = instance.compute_instance;
  }
  return info;
}

enum class Listed { compute, graphics, mps };

bool is_listed(const Process& process, Listed as) {
  if (as == Listed::mps) return process.is_mps_client;
  return process.is_graphics == (as == Listed::graphics);
}

std::vector<nvml::ProcessInfo> processes_of(const Subject& subject, Listed as) {
  std::vector<nvml::ProcessInfo> found;
  for (const Process& process : subject.spec.processes) {
    if (!is_listed(process, as) || !process.life.contains(subject.now.time)) continue;
    if (subject.instance && process.instance != subject.instance->gpu_instance) continue;
    if (const pid_t pid = state().resolve(process.pid); pid > 0) found.push_back(info_of(subject, process, pid));
  }
  return found;
}

// As the caller's form has them.
template <class Entry>
Return hand_out(std::span<const nvml::ProcessInfo> found, std::uint32_t* count, void* into) {
  const std::size_t room = into ? *count : 0;
  *count = static_cast<std::uint32_t>(found.size());
  if (room < found.size()) return Return::insufficient_size;
  for (std::size_t i = 0; i < found.size(); ++i) {
    Entry entry{};
    if constexpr (std::is_same_v<Entry, nvml::WideProcessInfo>) {
      entry.info = found[i];
    } else if constexpr (std::is_same_v<Entry, nvml::OldProcessInfo>) {
      entry = {found[i].pid, found[i].memory};
    } else {
      entry = found[i];
    }
    std::memcpy(static_cast<std::byte*>(into) + i * sizeof entry, &entry, sizeof entry);
  }
  return Return::success;
}

template <class Entry>
Return list_processes(Device device, std::string_view call, Listed as, std::uint32_t* count, void* into) {
  return on_device(device, call, [&](Subject& subject) {
    return count ? hand_out<Entry>(processes_of(subject, as), count, into) : Return::invalid_argument;
  });
}

// Version 3: of one driver's lists the entries are longer.
Return list_newest(Device device, std::string_view call, Listed as, std::uint32_t* count, void* into) {
  return on_device(device, call, [&](Subject& subject) {
    if (!count) return Return::invalid_argument;
    const auto found = processes_of(subject, as);
    return subject.node.lists_wide_processes ? hand_out<nvml::WideProcessInfo>(found, count, into)
                                             : hand_out<nvml::ProcessInfo>(found, count, into);
  });
}

// The renewals of a register after `last_seen`, oldest first.
std::vector<Nanoseconds> ticks_since(const Subject& subject, const Sensor& sensor, std::uint64_t last_seen) {
  std::vector<Nanoseconds> ticks;
  const Nanoseconds period = std::max(kMillisecond, sensor.period);
  const Nanoseconds since = last_seen == 0 ? 0 : std::max<Nanoseconds>(0, subject.now.time_of(last_seen));
  for (Nanoseconds tick = last_tick(subject.now.time, period, sensor.phase); ticks.size() < kMostSamples;
       tick -= period) {
    // Both as they are handed out, in whole microseconds.
    if (tick <= since || static_cast<std::uint64_t>(subject.now.wall_microseconds(tick)) <= last_seen) break;
    ticks.push_back(tick);
  }
  std::ranges::reverse(ticks);
  return ticks;
}

double share_at(const Process& process, const Shape& utilisation, Nanoseconds window, Nanoseconds tick) {
  const double share = process.sampled_share.value_or(process.share);
  if (window <= 0) return process.life.contains(tick) ? share * utilisation.at(tick) : 0;
  const Nanoseconds from = std::clamp(process.life.from, tick - window, tick);
  const Nanoseconds to = std::clamp(process.life.to, from, tick);
  return share * utilisation.integral(from, to) / (static_cast<double>(window) * 1e-9);
}

std::vector<nvml::ProcessUtilization> process_samples(const Subject& subject, std::uint64_t last_seen) {
  const Sensor& sensor = subject.spec.utilisation_sensor;
  std::vector<std::pair<const Process*, pid_t>> known;
  for (const Process& process : subject.spec.processes) {
    if (const pid_t pid = state().resolve(process.pid); pid > 0) known.emplace_back(&process, pid);
  }
  std::vector<nvml::ProcessUtilization> samples;
  for (const Nanoseconds tick : ticks_since(subject, sensor, last_seen)) {
    for (const auto& [process, pid] : known) {
      const std::uint32_t sm = percent(share_at(*process, subject.spec.utilisation, sensor.window, tick));
      const std::uint32_t memory = percent(share_at(*process, subject.spec.memory_utilisation, sensor.window, tick));
      if (sm == 0 && memory == 0) continue;  // none is returned that did nothing
      samples.push_back({.pid = static_cast<std::uint32_t>(pid),
                         .timestamp = static_cast<std::uint64_t>(subject.now.wall_microseconds(tick)),
                         .sm = sm,
                         .memory = memory,
                         .encoder = 0,
                         .decoder = 0});
    }
  }
  return samples;
}

struct Series {
  const Sensor* sensor;
  std::function<std::uint32_t(Nanoseconds)> value;
};

std::optional<Series> series_of(const Subject& subject, nvml::Samples type) {
  const Gpu& gpu = subject.spec;
  const auto power = [](const Sensor& sensor, const PowerShape& shape) {
    return Series{&sensor, [&](Nanoseconds tick) { return milli(sensor.shows(shape, tick)); }};
  };
  const auto utilisation = [&gpu](const Shape& shape) {
    return Series{&gpu.utilisation_sensor,
                  [&](Nanoseconds tick) { return percent(gpu.utilisation_sensor.sees(shape, tick)); }};
  };
  switch (type) {
    case nvml::Samples::total_power:
      if (gpu.meters.usage) return power(*gpu.meters.usage, subject.state.power);
      return std::nullopt;
    case nvml::Samples::module_power:
      if (gpu.module && gpu.module->instant) return power(*gpu.module->instant, gpu.module->power);
      return std::nullopt;
    case nvml::Samples::gpu_utilization:
      return utilisation(gpu.utilisation);
    case nvml::Samples::memory_utilization:
      return utilisation(gpu.memory_utilisation);
  }
  return std::nullopt;
}

}  // namespace

LAB_EXPORT Return nvmlDeviceGetMemoryInfo_v2(Device device, nvml::Memory* memory) {
  return on_device(device, "nvmlDeviceGetMemoryInfo_v2", [&](Subject& subject) {
    if (!memory) return Return::invalid_argument;
    if (memory->version != nvml::Memory{}.version) return Return::argument_version_mismatch;
    const Usage usage = memory_of(subject);
    memory->total = usage.total;
    memory->reserved = kReserved;
    memory->used = usage.used;
    memory->free = usage.total - kReserved - usage.used;
    return Return::success;
  });
}
// Of before 510: what is reserved counts as used.
LAB_EXPORT Return nvmlDeviceGetMemoryInfo(Device device, nvml::OldMemory* memory) {
  return on_device(device, "nvmlDeviceGetMemoryInfo", [&](Subject& subject) {
    if (!memory) return Return::invalid_argument;
    const Usage usage = memory_of(subject);
    *memory = {.total = usage.total, .free = usage.total - kReserved - usage.used, .used = usage.used + kReserved};
    return Return::success;
  });
}

#define LAB_LISTS(name, as)                                                                 \
  LAB_EXPORT Return name##_v3(Device device, std::uint32_t* count, void* into) {            \
    return list_newest(device, #name "_v3", as, count, into);                               \
  }                                                                                         \
  LAB_EXPORT Return name##_v2(Device device, std::uint32_t* count, void* into) {            \
    return list_processes<nvml::ProcessInfo>(device, #name "_v2", as, count, into);         \
  }                                                                                         \
  LAB_EXPORT Return name(Device device, std::uint32_t* count, nvml::OldProcessInfo* into) { \
    return list_processes<nvml::OldProcessInfo>(device, #name, as, count, into);            \
  }
LAB_LISTS(nvmlDeviceGetComputeRunningProcesses, Listed::compute)
LAB_LISTS(nvmlDeviceGetGraphicsRunningProcesses, Listed::graphics)
LAB_LISTS(nvmlDeviceGetMPSComputeRunningProcesses, Listed::mps)
LAB_EXPORT Return nvmlSystemGetProcessName(std::uint32_t pid, char* name, std::uint32_t length) {
  return state().on_library("nvmlSystemGetProcessName", [&](Node& node, std::uint32_t) {
    for (const Gpu& gpu : node.scenario.gpus) {
      for (const Process& process : gpu.processes) {
        if (state().resolve(process.pid) == static_cast<pid_t>(pid)) return copy_text(process.name, name, length);
      }
    }
    return Return::not_found;
  });
}

LAB_EXPORT Return nvmlDeviceGetProcessUtilization(Device device, nvml::ProcessUtilization* into, std::uint32_t* count,
                                                  std::uint64_t last_seen) {
  return on_gpu(device, "nvmlDeviceGetProcessUtilization", [&](Subject& subject) {
    if (!count) return Return::invalid_argument;
    if (subject.spec.is_mig || subject.spec.architecture < nvml::Architecture::maxwell) return Return::not_supported;
    const auto samples = process_samples(subject, last_seen);
    const auto room = into ? *count : 0;
    *count = static_cast<std::uint32_t>(samples.size());
    if (samples.empty()) return Return::not_found;
    if (room < samples.size()) return Return::insufficient_size;
    std::ranges::copy(samples, into);
    return Return::success;
  });
}

LAB_EXPORT Return nvmlDeviceGetSamples(Device device, nvml::Samples type, std::uint64_t last_seen,
                                       nvml::ValueType* value_type, std::uint32_t* count, nvml::Sample* into) {
  return on_gpu(device, "nvmlDeviceGetSamples", [&](Subject& subject) {
    if (!value_type || !count) return Return::invalid_argument;
    const auto series = series_of(subject, type);
    if (!series) return Return::not_supported;
    const auto ticks = ticks_since(subject, *series->sensor, last_seen);
    *value_type = nvml::ValueType::u32;
    const auto room = into ? std::min<std::size_t>(*count, ticks.size()) : 0;
    *count = static_cast<std::uint32_t>(into ? room : ticks.size());
    if (ticks.empty()) return Return::not_found;
    for (std::size_t i = 0; i < room; ++i) {
      into[i] = {.timestamp = static_cast<std::uint64_t>(subject.now.wall_microseconds(ticks[i])), .value = {}};
      into[i].value.u32 = series->value(ticks[i]);
    }
    return Return::success;
  });
}
