#include "tests/lab/sensor.h"

#include <algorithm>
#include <cmath>

namespace everywatt::lab {
namespace {

Duration span(Nanoseconds length) { return static_cast<double>(length) * 1e-9 * second; }

}  // namespace

Nanoseconds last_tick(Nanoseconds time, Nanoseconds period, Nanoseconds phase) {
  if (period <= 0) return time;
  const Nanoseconds since = (time - phase) % period;
  return time - since - (since < 0 ? period : 0);
}

Nanoseconds Sensor::renewed(Nanoseconds time) const {
  Nanoseconds tick = last_tick(time, period, phase);
  // Ordered or not: each step goes back.
  for (bool is_moved = true; is_moved;) {
    is_moved = false;
    for (const Interval& dropout : dropouts) {
      if (!dropout.contains(tick)) continue;
      tick = last_tick(dropout.from - 1, period, phase);
      is_moved = true;
    }
  }
  return tick;
}

double Sensor::sees(const Shape& shape, Nanoseconds time) const {
  const Nanoseconds tick = renewed(time);
  return time_constant > 0 ? shape.followed(tick, time_constant) : shape.mean(tick - window, tick);
}

Power Sensor::shows(const PowerShape& power, Nanoseconds time) const {
  const Power shown = std::max(Power{}, gain * (sees(power.watts, time) * watt) + offset);
  return quantum > Power{} ? std::floor(shown / quantum) * quantum : shown;
}

// Nothing depends on what a single period held.
bool Counter::is_linear() const {
  return (sensor_.window == 0 || sensor_.window >= sensor_.period) && sensor_.low_factor == 1;
}

Nanoseconds Counter::renewed(Nanoseconds time) const {
  return std::max<Nanoseconds>(0, last_tick(time, sensor_.period, sensor_.phase));
}

Energy Counter::counted_in(Nanoseconds from, Nanoseconds to) const {
  const Nanoseconds window = sensor_.window > 0 ? std::min(sensor_.window, to - from) : to - from;
  Power mean = sensor_.gain * power_.mean(to - window, to) + sensor_.offset;
  if (mean < sensor_.low_below) mean = sensor_.low_factor * mean;
  return std::max(Energy{}, mean * span(to - from));
}

Energy Counter::counted_by(Nanoseconds tick) {
  if (is_linear()) return sensor_.gain * power_.energy(0, tick) + sensor_.offset * span(tick);
  const Nanoseconds first = last_tick(0, sensor_.period, sensor_.phase) + sensor_.period;
  if (tick < first) return {};
  const auto wanted = static_cast<std::size_t>((tick - first) / sensor_.period);
  while (sums_.size() <= wanted) {
    const Nanoseconds to = first + static_cast<Nanoseconds>(sums_.size()) * sensor_.period;
    const Nanoseconds from = std::max<Nanoseconds>(0, to - sensor_.period);
    sums_.push_back((sums_.empty() ? Energy{} : sums_.back()) + counted_in(from, to));
  }
  return sums_[wanted];
}

std::uint64_t Counter::shows(Nanoseconds time) {
  Energy counted = counted_by(renewed(time));
  std::uint64_t start = sensor_.start;
  const auto next = std::ranges::upper_bound(sensor_.resets, time);
  if (next != sensor_.resets.begin()) {
    const Energy before = counted_by(renewed(*std::prev(next)));
    counted = std::max(Energy{}, counted - before);
    start = 0;
  }
  const std::uint64_t exact = start + static_cast<std::uint64_t>(std::max(0.0, counted / sensor_.unit));
  const std::uint64_t units = exact - exact % sensor_.quantum;
  return sensor_.range > 0 ? units % sensor_.range : units;
}

}  // namespace everywatt::lab
