// What a sensor's register shows at a time, of a power that is truly there: how
// often it is renewed, what span of time it sees, and how it errs. No clock: time
// comes in, from the scenario's start.
//
//   Sensor part_time{.window = 25 * kMillisecond, .period = 100 * kMillisecond, .gain = 0.95};
//   part_time.shows(power, 1234 * kMillisecond);  // gain × mean power of 1.175 s to 1.2 s
#pragma once
#include <cstdint>
#include <vector>

#include "base/units.h"
#include "tests/lab/shape.h"

namespace everywatt::lab {

// A true power over time.
struct PowerShape {
  Shape watts;

  Power at(Nanoseconds time) const { return watts.at(time) * watt; }
  Power mean(Nanoseconds from, Nanoseconds to) const { return watts.mean(from, to) * watt; }
  Energy energy(Nanoseconds from, Nanoseconds to) const { return watts.integral(from, to) * joule; }
};

// [from, to)
struct Interval {
  Nanoseconds from = 0;
  Nanoseconds to = INT64_MAX;
  bool contains(Nanoseconds time) const { return time >= from && time < to; }
  bool operator==(const Interval&) const = default;
};

struct Sensor {
  Nanoseconds window = 0;  // the mean over this span before the renewal; 0: the value there
  Nanoseconds period = 0;  // between renewals; 0: always up to date
  Nanoseconds phase = 0;   // of one renewal
  double gain = 1;
  Power offset = {};
  Power quantum = {};                   // shown values are multiples of it, rounded down
  Nanoseconds time_constant = 0;        // follows exponentially, in place of the window
  std::vector<Interval> dropouts = {};  // not renewed: the last value stands

  // When the register was last renewed.
  Nanoseconds renewed(Nanoseconds time) const;
  Power shows(const PowerShape& power, Nanoseconds time) const;
  // Of any quantity, without gain, offset and quantum.
  double sees(const Shape& shape, Nanoseconds time) const;
};

// A counter of energy since the driver was loaded, a while before the start.
struct CounterSensor {
  Nanoseconds period = 100 * kMillisecond;  // between renewals; 0: always up to date
  Nanoseconds phase = 0;
  Nanoseconds window = 0;  // of each period only its end is seen, and taken for the whole; 0: all is
  double gain = 1;
  Power offset = {};
  Energy unit = 1e-3 * joule;
  std::uint64_t start = 0;               // units at the scenario's start
  std::uint64_t range = 0;               // units; the count goes round there; 0: never
  std::uint64_t quantum = 1;             // units; shown are multiples of it, rounded down
  std::vector<Nanoseconds> resets = {};  // ascending; it begins anew at 0
  // A period whose mean power is below `low_below` counts `low_factor` of itself.
  Power low_below = {};
  double low_factor = 1;
};

// The counter at work. It remembers what it has counted, so that a reading costs
// little; one thread at a time.
class Counter {
 public:
  Counter(CounterSensor sensor, PowerShape power) : sensor_{std::move(sensor)}, power_{std::move(power)} {}
  std::uint64_t shows(Nanoseconds time);
  Nanoseconds renewed(Nanoseconds time) const;

 private:
  bool is_linear() const;
  Energy counted_by(Nanoseconds tick);
  Energy counted_in(Nanoseconds from, Nanoseconds to) const;

  CounterSensor sensor_;
  PowerShape power_;
  std::vector<Energy> sums_;  // by the first tick after the start, the second, …
};

// The last tick at or before `time`; `time` itself where the period is 0.
Nanoseconds last_tick(Nanoseconds time, Nanoseconds period, Nanoseconds phase);

}  // namespace everywatt::lab
