// How much of what devices can do at most a run has done, and what it did for a
// joule. Against the maker's peak ("vs spec"), never cut off: more than 100 %
// says that the peak, the time or the work is not what it was taken for.
#pragma once
#include "account/flops.h"
#include "base/units.h"

namespace everywatt {

struct DeviceTime {
  Count devices = 0;  // as the operating system counts them
  Duration time = {};
};

// Of model FLOPs it is MFU, of hardware FLOPs HFU (Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
constexpr double utilisation(Flop work, FlopRate peak, const DeviceTime& spent) {
  return work / (spent.devices * (spent.time * peak));
}

constexpr FlopPerEnergy work_per_energy(Flop work, Energy spent) { return work / spent; }

}  // namespace everywatt
