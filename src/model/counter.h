// What a hardware counter did between two readings. Wrap, reset and doubt are
// explicit states, judged here and nowhere else; no difference is ever negative.
#pragma once
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace everywatt {

struct CounterStep {
  enum class Kind {
    first,      // nothing to compare with yet
    advance,    // counted on
    wrap,       // passed its largest value and began again
    reset,      // began again for another reason: what it had counted since is unknown
    ambiguous,  // the silence was long enough for a whole turn: the delta is a lower bound
  };
  Kind kind = Kind::first;
  std::uint64_t delta = 0;  // raw units; 0 for first and reset
};

class Counter {
 public:
  // `range`: the largest value before the counter begins again, if it does.
  // `fastest`: raw units per second that the device cannot exceed; it tells a
  // wrap from a reset, and when a silence hides a whole turn.
  Counter(std::optional<std::uint64_t> range, double fastest) : range_{range}, fastest_{fastest} {}

  // Time must advance from call to call.
  CounterStep next(Nanoseconds time, std::uint64_t raw);

 private:
  struct Last {
    Nanoseconds time;
    std::uint64_t raw;
  };
  std::optional<std::uint64_t> range_;
  double fastest_;
  std::optional<Last> last_;
};

}  // namespace everywatt
