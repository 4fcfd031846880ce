// A straight line through points, by least squares: what a sensor must be
// multiplied by, and what added, to read as a meter one trusts.
#pragma once
#include <cstddef>
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
  std::size_t points = 0;
  double mean_x = 0, least_x = 0, most_x = 0;
  double spread = 0;  // sum of squares of x about its mean

  [[nodiscard]] double at(double x) const { return slope * x + intercept; }
  // Standard error of the line there, of slope and intercept together; infinite for fewer than five points.
  [[nodiscard]] double error_at(double x) const;
};

// None where the points do not tell a slope: fewer than three, or all of one x.
std::optional<LineFit> fit_line(std::span<const FitPoint> points);

}  // namespace everywatt
