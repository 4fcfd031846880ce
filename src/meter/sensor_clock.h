// Ties the clock by which a sensor stamps what it says to ours. A stamp is never of the future, and the one that was
// read soonest after it was made tells best how the two stand: the least difference seen is taken for the whole. A
// clock that was set anew shows as a difference that no delay explains, and is tied again.
#pragma once
#include <optional>

#include "base/clock.h"

namespace everywatt {

class SensorClock {
 public:
  // The newest stamp of a reading, and when it was read.
  void note(Nanoseconds stamp, Nanoseconds read_at) {
    const Nanoseconds difference = read_at - stamp;
    const bool is_set_anew = difference_ && difference - *difference_ > kLongest;
    if (!difference_ || difference < *difference_ || is_set_anew) difference_ = difference;
  }
  // A stamp as CLOCK_MONOTONIC; to be asked after note().
  [[nodiscard]] Nanoseconds steady(Nanoseconds stamp) const { return stamp + difference_.value_or(0); }

 private:
  static constexpr Nanoseconds kLongest = 2 * kSecond;  // that a sensor waits with its newest stamp
  std::optional<Nanoseconds> difference_;
};

}  // namespace everywatt
