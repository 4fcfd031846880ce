// Where the machine is read. Tests and replays hand in a recorded machine; all
// that is said about the machine comes from these roots and nowhere else (the
// job's own processes always come from the kernel).
#pragma once
#include <sys/types.h>

#include <filesystem>

struct perf_event_attr;

namespace everywatt {

struct Roots {
  std::filesystem::path sys = "/sys";
  std::filesystem::path proc = "/proc";
  // Opens a performance counter; null where the kernel must not be asked.
  int (*perf_event_open)(perf_event_attr*, pid_t, int cpu, int group, unsigned long flags) = nullptr;
  // NVIDIA's library, by path or soname; empty: none may be asked (this machine's GPUs are none of a recorded one's).
  std::filesystem::path nvml_library = {};

  // EVERYWATT_SYSFS and EVERYWATT_PROCFS in place of /sys and /proc. The real
  // kernel's counters are offered only where /sys is the real one, its GPUs where
  // both are or EVERYWATT_NVML_LIBRARY names the library.
  static Roots from_environment();
  bool real() const { return sys == "/sys" && proc == "/proc"; }
};

}  // namespace everywatt
