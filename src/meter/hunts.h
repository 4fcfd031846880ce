// Registers of GPUs are renewed ten times a second, at moments that only dense readings find
// (meter/tick_phase.h): a hunt. It costs two dozen readings, so that it is made when it is needed; and where a reading
// is dear (Channel::spacing) as seldom as the period that is known by then lets the renewals be counted.
#pragma once
#include <algorithm>
#include <optional>

#include "base/clock.h"

namespace everywatt {

// When a run is to hunt: at its start until renewals are known; whenever it will not be known a second from now when
// they are, and there is something to be seen, until it is, ever more seldom where that does not help; and every thirty
// seconds. Times since the start.
class Hunts {
 public:
  enum class Need { none, unknown, vague };  // vague: and there is something to be seen
  enum class Price { usual, dear };
  [[nodiscard]] bool is_due(Nanoseconds ran, Need need, Price price = Price::usual) {
    return price == Price::dear ? is_due_at_growing_intervals(ran, need) : is_due_when_needed(ran, need);
  }
  // The loop is to wake then at the latest.
  [[nodiscard]] Nanoseconds next() const { return next_; }
  void begin_anew() {
    next_ = planned_ = 0;
    first_.reset();
  }

 private:
  // What is not known of the period is what was not known at both ends over all the time between: three times that
  // later the renewals are still told apart.
  bool is_due_at_growing_intervals(Nanoseconds ran, Need need) {
    if (ran < next_) return false;
    const bool is_lost = first_ && need == Need::unknown && ran - *first_ > kStart;
    if (!first_ || is_lost) first_ = ran;
    next_ = planned_ = *first_ + std::clamp(3 * (ran - *first_), kStartPause, ran - *first_ + kLongest);
    return true;
  }
  bool is_due_when_needed(Nanoseconds ran, Need need) {
    if (need == Need::none) pause_ = kPause;
    const bool is_wanted = need == Need::vague && ran >= last_ + pause_;
    if (ran < planned_ && !is_wanted) {
      if (ran >= next_) next_ = planned_;
      return false;
    }
    last_ = ran;
    planned_ = need == Need::none || ran >= kStart ? ran - ran % kEvery + kEvery : 3 * ran + kStartPause;
    if (is_wanted) pause_ = std::min(2 * pause_, kEvery);
    next_ = need == Need::vague ? std::min(planned_, ran + pause_) : planned_;
    return true;
  }
  static constexpr Nanoseconds kLongest = 600 * kSecond;
  static constexpr Nanoseconds kPause = kSecond;  // until what was seen is taken
  static constexpr Nanoseconds kStart = 2 * kSecond;
  static constexpr Nanoseconds kStartPause = kSecond / 2;
  static constexpr Nanoseconds kEvery = 30 * kSecond;
  Nanoseconds last_ = 0;
  Nanoseconds planned_ = 0;
  Nanoseconds next_ = 0;
  Nanoseconds pause_ = kPause;
  std::optional<Nanoseconds> first_;  // since which the period is known
};

}  // namespace everywatt
