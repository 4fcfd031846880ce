#include "meter/tick_period.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace everywatt {
namespace {

// Renewals come earlier and later by some milliseconds, and the period itself is rounded.
constexpr double kSlack = 0.1;
constexpr double kJitter = 3 * kMillisecond;
// Boards were seen to do so ten times a second, and of the time of Volta every 10 or 20 ms; then what is as round.
constexpr std::array kUsual{100 * kMillisecond, 20 * kMillisecond, 10 * kMillisecond, 50 * kMillisecond,
                            200 * kMillisecond};
constexpr double kUsualError = 0.05;
// Of a period that was seen no other usual one is within this factor.
constexpr double kApart = 2.5;
// Where readings are as many periods apart they cannot tell a longer one.
constexpr Nanoseconds kFarApart = 5;

}  // namespace

bool TickPeriod::take(Nanoseconds before, Nanoseconds after, bool is_change) {
  const auto last = std::exchange(last_, Call{before, after});
  if (!last) {
    since_ = {before, after};
    return false;
  }
  if (is_change) {
    if (before_renewal_) most_ = std::min(most_.value_or(after - *before_renewal_), after - *before_renewal_);
    before_renewal_ = last->before;
    since_ = {before, after};
  } else {
    least_ = std::max(least_, before - since_.after);
  }
  const Nanoseconds had = period_;
  choose();
  return period_ != had;
}

void TickPeriod::rewind() {
  last_.reset();
  before_renewal_.reset();
}

void TickPeriod::choose() {
  // One that stood still for longer than two renewals took was stuck: that says nothing.
  const Nanoseconds least = most_ && least_ > *most_ ? 0 : least_;
  const auto fits = [&](Nanoseconds period) {
    const auto length = static_cast<double>(period);
    return static_cast<double>(least) <= length * (1 + kSlack) + kJitter &&
           (!most_ || static_cast<double>(*most_) >= length * (1 - kSlack) - kJitter);
  };
  const auto usual = std::ranges::find_if(kUsual, fits);
  if (fits(nominal_) || usual != kUsual.end()) {
    period_ = fits(nominal_) ? nominal_ : *usual;
    error_ = kUsualError;
  } else if (most_ && std::abs((least + *most_) / 2 - period_) > period_ / 10) {
    period_ = (least + *most_) / 2;
    error_ = std::max(kUsualError, static_cast<double>(*most_ - least) / static_cast<double>(*most_ + least));
  }
}

// Longer ones are not known of any board: that is not in doubt until it is seen.
Nanoseconds TickPeriod::most() const {
  const Nanoseconds longest = std::max(nominal_, kUsual.front());
  return std::max(least_, std::min(most_.value_or(longest), longest));
}

bool TickPeriod::is_seen() const {
  const auto length = static_cast<double>(period_);
  const bool is_told = most_ && *most_ < kFarApart * period_;
  return error_ <= kUsualError && static_cast<double>(is_told ? *most_ : most()) <= length * kApart &&
         static_cast<double>(least_) >= length / kApart;
}

Nanoseconds TickPeriod::half_width() const { return (most() - least_) / 2; }

}  // namespace everywatt
