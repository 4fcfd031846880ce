#include "model/line_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <ranges>

namespace everywatt {

double LineFit::error_at(double x) const {
  if (points < 5) return std::numeric_limits<double>::infinity();
  const auto n = static_cast<double>(points);
  // Of few points the residual itself is not sure: the standard deviation of Student's t.
  const double student = (n - 2) / (n - 4);
  return residual * std::sqrt(student * (1 / n + (x - mean_x) * (x - mean_x) / spread));
}

std::optional<LineFit> fit_line(std::span<const FitPoint> points) {
  if (points.size() < 3) return std::nullopt;
  const auto n = static_cast<double>(points.size());
  double mean_x = 0;
  double mean_y = 0;
  for (const FitPoint& p : points) {
    mean_x += p.x / n;
    mean_y += p.y / n;
  }
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (const FitPoint& p : points) {
    xx += (p.x - mean_x) * (p.x - mean_x);
    xy += (p.x - mean_x) * (p.y - mean_y);
    yy += (p.y - mean_y) * (p.y - mean_y);
  }
  if (!(xx > 0)) return std::nullopt;
  const auto [least, most] = std::ranges::minmax(points | std::views::transform(&FitPoint::x));
  LineFit fit{
      .slope = xy / xx, .points = points.size(), .mean_x = mean_x, .least_x = least, .most_x = most, .spread = xx};
  fit.intercept = mean_y - fit.slope * mean_x;
  const double left = std::max(0.0, yy - fit.slope * xy);
  fit.residual = std::sqrt(left / (n - 2));
  fit.r_squared = yy > 0 ? 1 - left / yy : 1;
  return fit;
}

}  // namespace everywatt
