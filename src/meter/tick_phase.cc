#include "meter/tick_phase.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace everywatt {
namespace {

// Two readings this close together place a change between them; farther apart they tell less than the period does.
constexpr Nanoseconds kDense = 20 * kMillisecond;

}  // namespace

void TickPhase::take(Nanoseconds before, Nanoseconds after, bool is_change) {
  const auto earliest = std::exchange(last_reading_, before);
  if (!is_change || !earliest || after - *earliest > kDense) return;
  const Nanoseconds half_width = (after - *earliest) / 2;
  see({.time = *earliest + half_width, .half_width = half_width});
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
  // Two sights close together say less of the period than is known of it already.
  const double error = static_cast<double>(first_->half_width + last_->half_width) / (ticks_ * period_);
  if (error > period_error_) return;
  period_ = static_cast<double>(last_->time - first_->time) / ticks_;
  period_error_ = error;
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
