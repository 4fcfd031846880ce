#include "meter/tick_phase.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace everywatt {
namespace {

// Two readings this close together place a change between them; farther apart they tell less than the period does.
constexpr Nanoseconds kDense = 20 * kMillisecond;

}  // namespace

void TickPhase::take(Nanoseconds time, bool is_change) {
  const auto before = std::exchange(last_reading_, time);
  if (!is_change || !before || time - *before > kDense) return;
  see({.time = *before + (time - *before) / 2, .half_width = (time - *before) / 2});
}

void TickPhase::see(Sight sight) {
  if (!first_) {
    first_ = last_ = sight;
    return;
  }
  const auto passed = static_cast<double>(sight.time - last_->time);
  const double ticks = std::round(passed / period_);
  const double doubt = ticks * period_ * period_error_ + static_cast<double>(sight.half_width + last_->half_width);
  // Too long ago to say how many renewals lie between: begin anew with what is known of the period.
  if (doubt > period_ / 2 || ticks < 1) {
    first_ = last_ = sight;
    ticks_ = 0;
    return;
  }
  ticks_ += ticks;
  last_ = sight;
  period_ = static_cast<double>(last_->time - first_->time) / ticks_;
  period_error_ = static_cast<double>(first_->half_width + last_->half_width) / (ticks_ * period_);
}

std::optional<Nanoseconds> TickPhase::renewed(Nanoseconds time) const {
  if (!last_ || half_width(time) > static_cast<Nanoseconds>(period_ / 2)) return std::nullopt;
  const double ticks = std::floor(static_cast<double>(time - last_->time) / period_);
  return last_->time + static_cast<Nanoseconds>(ticks * period_);
}

Nanoseconds TickPhase::half_width(Nanoseconds time) const {
  if (!last_) return static_cast<Nanoseconds>(period_ / 2);
  const double drift = std::abs(static_cast<double>(time - last_->time)) * period_error_;
  return last_->half_width + static_cast<Nanoseconds>(drift);
}

}  // namespace everywatt
