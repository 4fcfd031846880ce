// A straight line through the numbers of a chunk, for predicting them: robust
// against strays, and exact where the numbers are a line that was rounded down.
#pragma once
#include <span>

namespace everywatt {

struct StraightLine {
  double offset = 0;
  double slope = 0;
  [[nodiscard]] double at(double x) const { return offset + slope * x; }
};

// `x` ascends; at least nine points. Rounded down, the line is close to `y`.
StraightLine line_through(std::span<const double> x, std::span<const double> y);

// The middle one, of a sample where there are many. `numbers` is not empty.
double median_of(std::span<const double> numbers);

}  // namespace everywatt
