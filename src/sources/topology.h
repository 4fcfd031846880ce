// The processor packages of a machine and the logical CPUs on each. Every
// source that speaks of a package takes its id from here, so that the meter
// can put together what several of them say of one device.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/roots.h"
#include "model/device.h"
#include "sources/cpuinfo.h"

namespace everywatt {

struct CpuPackage {
  unsigned number = 0;  // physical_package_id
  // Only where the dies of a package have meters of their own (Intel Cascade Lake-AP).
  std::optional<unsigned> die = {};
  std::vector<unsigned> cpus = {};

  // "0", or "0-die-1": what follows "package:", "dram:", "core:".
  [[nodiscard]] std::string place() const;
};

struct Topology {
  Cpuinfo processor = {};
  std::vector<CpuPackage> packages = {};  // at least one, ordered

  [[nodiscard]] const CpuPackage* of_cpu(unsigned cpu) const;
  [[nodiscard]] const CpuPackage* of_package(unsigned number) const;
  [[nodiscard]] Device device(const CpuPackage& package) const;
};

// Always has an answer: a machine that says nothing of its packages has one, with
// the CPUs that /proc/stat names.
Topology read_topology(const Roots& roots);

}  // namespace everywatt
