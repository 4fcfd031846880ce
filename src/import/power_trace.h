// A device's readings become its energy curve over a run. Power is integrated
// by the trapezoid, a counter's differences are kept as they are; both are
// clipped to the run, where readings outside it serve only to interpolate at
// its edges. A silence longer than max(3 periods, 5 s) is bridged and said so;
// what the readings do not reach is unseen and books nothing.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "model/energy_curve.h"

namespace everywatt {

struct PowerReading {
  Nanoseconds time = 0;
  Power power = {};
};

struct CounterReading {
  Nanoseconds time = 0;
  MicroJoules total = 0;
};

// Beyond this a figure is a broken sensor or a wrong unit, not a device.
inline constexpr Power kMostPower = 1e9 * watt;

struct TimeSpan {
  Nanoseconds begin = 0;
  Nanoseconds end = 0;
  [[nodiscard]] Nanoseconds length() const { return end - begin; }
};

struct Silence {
  enum class Kind {
    before,   // the readings begin after the run: unseen
    bridged,  // between two readings
    reset,    // a counter began again between two readings: unseen
    after,    // the readings end before the run: unseen
  };
  Kind kind = Kind::bridged;
  TimeSpan span;
};

struct Trace {
  EnergyCurve curve = {};      // from the run's begin to its end; empty: see reason
  MicroJoules random = 0;      // standard uncertainty of the whole curve that sampling leaves
  MicroJoules resolution = 0;  // counters: the smallest step that was seen; 0: none was
  std::vector<Silence> silences = {};
  std::size_t duplicates = 0;              // readings at a time that another one has; the mean of them counts
  std::size_t out_of_order = 0;            // readings that came after a later one
  std::optional<std::string> reason = {};  // why there is no curve
  [[nodiscard]] MicroJoules total() const { return curve.empty() ? 0 : curve.points().back().total; }
};

// Readings in the order of the record. Times must not be negative, powers not
// negative and at most kMostPower, and the run must have a length.
Trace trace_power(std::vector<PowerReading> readings, TimeSpan run);
// Totals must not be negative. A fall is a reset: what was counted across it is unknown.
Trace trace_counter(std::vector<CounterReading> readings, TimeSpan run);

}  // namespace everywatt
