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

  // EVERYWATT_SYSFS and EVERYWATT_PROCFS in place of /sys and /proc. The real
  // kernel's counters are offered only where /sys is the real one.
  static Roots from_environment();
  bool real() const { return sys == "/sys" && proc == "/proc"; }
};

}  // namespace everywatt
