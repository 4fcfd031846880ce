#include "model/counter.h"

#include <cassert>
#include <utility>

namespace everywatt {
namespace {

// Counters tick in steps and clocks jitter: what a fresh reading may hold more
// than power × time allows.
constexpr double kSlackSeconds = 0.1;

}  // namespace

CounterStep Counter::next(Nanoseconds time, std::uint64_t raw) {
  using Kind = CounterStep::Kind;
  const auto last = std::exchange(last_, Last{time, raw});
  if (!last) return {Kind::first, 0};
  assert(time > last->time);

  const double seconds = static_cast<double>(time - last->time) / static_cast<double>(kSecond);
  const double most = fastest_ * (seconds + kSlackSeconds);
  // Half a turn and more within the power limit: nobody can tell how often it went round.
  const bool may_hide_a_turn = range_ && fastest_ * seconds > static_cast<double>(*range_) / 2;
  if (raw >= last->raw) {
    const std::uint64_t delta = raw - last->raw;
    if (may_hide_a_turn) return {Kind::ambiguous, delta};
    if (static_cast<double>(delta) > most) return {Kind::reset, 0};
    return {Kind::advance, delta};
  }
  if (!range_ || last->raw > *range_) return {Kind::reset, 0};
  // The first value after the largest is 0: one step more than the distance.
  const std::uint64_t delta = *range_ - last->raw + raw + 1;
  if (may_hide_a_turn) return {Kind::ambiguous, delta};
  if (static_cast<double>(delta) > most) return {Kind::reset, 0};
  return {Kind::wrap, delta};
}

}  // namespace everywatt
