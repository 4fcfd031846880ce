// A straight line through points, by least squares: what a sensor must be
// multiplied by, and what added, to read as a meter one trusts.
#pragma once
#include <optional>
#include <span>

namespace everywatt {

struct FitPoint {
  double x = 0;
  double y = 0;
};

struct LineFit {
  double slope = 1;
  double intercept = 0;
  double r_squared = 0;
  double residual = 0;  // standard deviation of what the line leaves
};

// None where the points do not tell a slope: fewer than three, or all of one x.
std::optional<LineFit> fit_line(std::span<const FitPoint> points);

}  // namespace everywatt
