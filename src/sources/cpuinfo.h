// What /proc/cpuinfo says of the processor. Only the first processor's block
// is read: on a big machine the kernel needs milliseconds to write them all.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/roots.h"

namespace everywatt {

struct Cpuinfo {
  std::string vendor = {};  // GenuineIntel, AuthenticAMD, HygonGenuine, ARM, …
  std::string model = {};   // "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", "Neoverse-V2"; empty: not known
  bool hypervisor = false;  // the processor says that it is a guest's

  // AMD and Hygon count a package's energy once per package, whatever the number of
  // dies, and a "core" zone counts a single core (kernel: arch/x86/events/rapl.c, rapl_pmu_is_pkg_scope).
  [[nodiscard]] bool is_amd() const { return vendor == "AuthenticAMD" || vendor == "HygonGenuine"; }
};

// Any text gives an answer; what it does not say stays empty.
Cpuinfo parse_cpuinfo(std::string_view text);
Result<Cpuinfo> read_cpuinfo(const Roots& roots);

}  // namespace everywatt
