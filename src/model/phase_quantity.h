// What a device did while a run was in one of its phases, in one respect: how much of the time a part of it worked, how
// many bytes it moved; or for how long the run's own processes worked. Of a phase with all that lies within it.
#pragma once
#include <string>

#include "base/clock.h"

namespace everywatt {

struct PhaseQuantity {
  std::string path = {};     // "" is time outside any phase
  std::string device = {};   // "": the run's own processes
  std::string name = {};     // sm_utilisation, memory_read, cpu
  double sum = 0;            // of a share: share × seconds; of what is counted: the count (bytes, seconds)
  Nanoseconds observed = 0;  // time in the phase for which it is known
  // The same time, each look of it weighed by the part of that look which was the phase's: as much as `observed` where
  // looks lie within the phase, a third of it where each look saw two other phases as long.
  Nanoseconds resolved = 0;
  bool operator==(const PhaseQuantity&) const = default;
};

// What is told of phases beside the quantities of devices.
inline constexpr const char* kGpuWork = "utilisation";         // of a GPU by the run
inline constexpr const char* kCpuTime = "cpu";                 // seconds, of all the run's processes
inline constexpr const char* kInputCpuTime = "input_cpu";      // seconds, of loader workers: part of the above
inline constexpr const char* kInputWorkers = "input_workers";  // how many lived: worker × seconds

}  // namespace everywatt
