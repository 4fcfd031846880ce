#include "base/roots.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace everywatt {
namespace {

int kernel_perf_event_open(perf_event_attr* attr, pid_t pid, int cpu, int group, unsigned long flags) {
  return static_cast<int>(syscall(SYS_perf_event_open, attr, pid, cpu, group, flags));
}

}  // namespace

Roots Roots::from_environment() {
  Roots roots;
  if (const char* sys = std::getenv("EVERYWATT_SYSFS"); sys && *sys) roots.sys = sys;
  if (const char* proc = std::getenv("EVERYWATT_PROCFS"); proc && *proc) roots.proc = proc;
  if (roots.sys == "/sys") roots.perf_event_open = kernel_perf_event_open;
  if (roots.real()) roots.nvml_library = "libnvidia-ml.so.1";
  if (const char* nvml = std::getenv("EVERYWATT_NVML_LIBRARY"); nvml && *nvml) roots.nvml_library = nvml;
  return roots;
}

}  // namespace everywatt
