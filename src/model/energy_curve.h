// Cumulative energy of one device against time: the one abstraction that the
// ledger stands on. The energy of any interval is a difference of two points,
// so that splitting an interval never creates or loses a microjoule:
//   curve.between(a, b) + curve.between(b, c) == curve.between(a, c)
#pragma once
#include <optional>
#include <vector>

#include "base/clock.h"
#include "model/microjoules.h"

namespace everywatt {

// How much is known of the piece that ends at a point.
enum class Sight {
  observed,  // the sensor was read in due time at both ends
  bridged,   // the energy is a counter's, but when it was spent within the piece is not known
  unseen,    // a gap: nothing was measured and nothing is booked
};

class EnergyCurve {
 public:
  struct Point {
    Nanoseconds time = 0;
    MicroJoules total = 0;
    Sight sight = Sight::observed;  // of the piece that ends here
  };

  // Time must advance and energy must not fall; what a sensor did to break
  // that (wrap, reset) has been judged before a point is appended.
  void append(Nanoseconds time, MicroJoules total, Sight sight = Sight::observed);

  // A point before the first: so much was drawn from there to it.
  void reach_back(Nanoseconds time, MicroJoules energy);

  // Linear between points, rounded down: monotone, and exact at the points.
  // Outside the observed span the curve is flat.
  [[nodiscard]] MicroJoules at(Nanoseconds time) const;
  [[nodiscard]] MicroJoules between(Nanoseconds from, Nanoseconds to) const { return at(to) - at(from); }

  // Nanoseconds of [from, to] that lie in observed pieces.
  [[nodiscard]] Nanoseconds observed(Nanoseconds from, Nanoseconds to) const;

  [[nodiscard]] bool empty() const { return points_.empty(); }
  [[nodiscard]] const std::vector<Point>& points() const { return points_; }

  // Points strictly between the two get new totals, which must ascend from that at `from` to that at `to`.
  template <class TotalBy>
  void reshape(Nanoseconds from, Nanoseconds to, const TotalBy& total_by) {
    for (Point& point : points_) {
      if (point.time > from && point.time < to) point.total = total_by(point.time);
    }
  }

  // Drops what lies before the last point at or before `time`: the curve stays
  // exact from `time` on.
  void forget_before(Nanoseconds time);

 private:
  std::vector<Point> points_;
};

}  // namespace everywatt
