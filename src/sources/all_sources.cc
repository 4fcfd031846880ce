#include "sources/all_sources.h"

namespace everywatt {

// One line for each family: what its file defines, its name, what it measures.
// clang-format off
#define EVERYWATT_SOURCES(SOURCE)                                                                       \
  SOURCE(open_rapl_perf,      "rapl-perf",      "processors, DRAM: RAPL by the kernel's power PMU")     \
  SOURCE(open_rapl_powercap,  "rapl-powercap",  "processors, DRAM: RAPL by /sys/class/powercap")        \
  SOURCE(open_hwmon,          "hwmon",          "modules, nodes, supplies, rails: /sys/class/hwmon")    \
  SOURCE(open_cpu_usage,      "proc-stat",      "how long each package's CPUs worked: /proc/stat")      \
  SOURCE(open_memory_traffic, "memory-traffic", "bytes to and from memory: its controllers, or resctrl")\
  SOURCE(open_processor,      "processor",      "model of processors: load and rated power")            \
  SOURCE(open_memory,         "memory",         "model of memory: watts per gigabyte")
// clang-format on

// Those whose library may take its time.
// clang-format off
#define EVERYWATT_SLOW_SOURCES(SOURCE)                                                                  \
  SOURCE(find_nvml,           "nvml",           "NVIDIA GPUs: energy, power, who uses them, by NVML")
// clang-format on

#define DECLARE_OPEN(open, name, help) Result<std::unique_ptr<Source>> open(const Roots& roots);
#define DECLARE_FIND(find, name, help) Result<SlowOpen> find(const Roots& roots);
#define ROW(open, name, help) SourceKind{name, help, open, nullptr},
#define SLOW_ROW(find, name, help) SourceKind{name, help, nullptr, find},

EVERYWATT_SOURCES(DECLARE_OPEN)
EVERYWATT_SLOW_SOURCES(DECLARE_FIND)

namespace {

constexpr SourceKind kSources[] = {EVERYWATT_SOURCES(ROW) EVERYWATT_SLOW_SOURCES(SLOW_ROW)};

}  // namespace

std::span<const SourceKind> all_sources() { return kSources; }

}  // namespace everywatt
