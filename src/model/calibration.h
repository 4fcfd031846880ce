// What a meter one trusts says of a sensor: the straight line that makes the
// sensor's readings the meter's. Learnt by `everywatt calibrate gain`, kept by
// the store, applied by the meter, recorded with each run that it held for.
#pragma once
#include <string>

#include "base/clock.h"
#include "base/units.h"

namespace everywatt {

// true = gain × read + offset.
struct Correction {
  double gain = 1;
  Power offset = {};

  // One for what the sensor itself reads, where this one was found from readings that `first` had corrected.
  [[nodiscard]] Correction after(const Correction& first) const {
    return {.gain = gain * first.gain, .offset = gain * first.offset + offset};
  }
  bool operator==(const Correction&) const = default;
};

struct Calibration {
  std::string host;
  std::string device;
  std::string sensor;  // that was held against the meter
  double gain = 1;
  double offset_watts = 0;
  double relative_uncertainty = 0;  // standard, of what remains: the meter's own error and what the line leaves
  std::string source = {};          // "wall-meter.csv, 6 min 52 s of run x7k2p9"
  Nanoseconds made_wall = 0;

  [[nodiscard]] Correction correction() const { return {.gain = gain, .offset = offset_watts * watt}; }
};

}  // namespace everywatt
