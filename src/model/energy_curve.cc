#include "model/energy_curve.h"

#include <algorithm>
#include <cassert>

namespace everywatt {

void EnergyCurve::append(Nanoseconds time, MicroJoules total, Sight sight) {
  assert(points_.empty() || (time > points_.back().time && total >= points_.back().total));
  points_.push_back({time, total, sight});
}

void EnergyCurve::reach_back(Nanoseconds time, MicroJoules energy) {
  assert(!points_.empty() && time < points_.front().time && energy >= 0);
  points_.insert(points_.begin(), {time, points_.front().total - energy});
}

MicroJoules EnergyCurve::at(Nanoseconds time) const {
  const auto next = std::ranges::lower_bound(points_, time, {}, &Point::time);
  if (next == points_.begin()) return points_.empty() ? 0 : points_.front().total;
  if (next == points_.end()) return points_.back().total;
  const Point& a = *(next - 1);
  const Wide rise = next->total - a.total;
  return a.total + static_cast<MicroJoules>(rise * (time - a.time) / (next->time - a.time));
}

Nanoseconds EnergyCurve::observed(Nanoseconds from, Nanoseconds to) const {
  Nanoseconds seen = 0;
  auto next = std::ranges::upper_bound(points_, from, {}, &Point::time);
  if (next == points_.begin() && next != points_.end()) ++next;  // before the first point nothing was seen
  for (; next != points_.end(); ++next) {
    const Nanoseconds begin = std::max(from, (next - 1)->time);
    if (begin >= to) break;
    if (next->sight == Sight::observed) seen += std::min(to, next->time) - begin;
  }
  return seen;
}

void EnergyCurve::forget_before(Nanoseconds time) {
  const auto after = std::ranges::upper_bound(points_, time, {}, &Point::time);
  if (after - points_.begin() > 1) points_.erase(points_.begin(), after - 1);
}

}  // namespace everywatt
