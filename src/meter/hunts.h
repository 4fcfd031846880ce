// Registers of GPUs are renewed ten times a second, at moments that only dense readings find
// (meter/tick_phase.h): a hunt. It costs two dozen readings, so that it is made when it is needed.
#pragma once
#include <algorithm>

#include "base/clock.h"

namespace everywatt {

// When a run is to hunt: at its start until renewals are known; whenever it will not be known a second from now when
// they are, and there is something to be seen, until it is, ever more seldom where that does not help; and every thirty
// seconds. Times since the start.
class Hunts {
 public:
  enum class Need { none, unknown, vague };  // vague: and there is something to be seen
  [[nodiscard]] bool is_due(Nanoseconds ran, Need need) {
    if (need == Need::none) pause_ = kPause;
    if (ran < next_ && (need != Need::vague || ran < last_ + pause_)) return false;
    last_ = ran;
    next_ = ran - ran % kEvery + kEvery;
    if (need == Need::vague) {
      next_ = std::min(next_, ran + pause_);
      pause_ = std::min(2 * pause_, kEvery);
    } else if (need == Need::unknown && ran < kTrying) {
      next_ = ran + kPause;
    }
    return true;
  }
  // The loop is to wake then at the latest.
  [[nodiscard]] Nanoseconds next() const { return next_; }
  void begin_anew() { next_ = 0; }

 private:
  static constexpr Nanoseconds kPause = kSecond / 2;
  static constexpr Nanoseconds kTrying = 3 * kSecond;
  static constexpr Nanoseconds kEvery = 30 * kSecond;
  Nanoseconds last_ = 0;
  Nanoseconds next_ = 0;
  Nanoseconds pause_ = kPause;
};

}  // namespace everywatt
