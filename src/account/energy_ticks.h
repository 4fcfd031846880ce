// What a run was charged against time, from what the ledger keeps: its entries,
// whole minutes of busy and idle joules, and within a minute the device's energy
// curve. The same ledger gives the same ticks, so that whoever tells them
// onwards need not keep them.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/units.h"
#include "model/run.h"

namespace everywatt {

// Track::energy of each device, by its id. A device without (its series was dropped) is spread evenly over each minute.
using EnergyCurves = std::map<std::string, std::vector<SeriesPoint>>;

struct EnergyTick {
  Nanoseconds elapsed = 0;            // since the run's start: a multiple of the interval
  MicroJoules total = 0;              // charged up to here, over counted devices
  std::map<DeviceKind, Power> power;  // mean charged power since the tick before, by kind of counted device
};

// The ticks after `after` and before the last moment that was recorded. None of a run that has no counted device.
std::vector<EnergyTick> energy_ticks(const RunRecord& record, const EnergyCurves& curves, Nanoseconds interval,
                                     Nanoseconds after = 0);

}  // namespace everywatt
