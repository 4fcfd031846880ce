#include "model/curve_fit.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace everywatt {
namespace {

// How far from the sensor's the other clock is looked for, and how finely.
constexpr Nanoseconds kFurthest = 2 * kSecond;
constexpr Nanoseconds kCoarse = 50 * kMillisecond;
constexpr Nanoseconds kFine = 5 * kMillisecond;
// So much less must be left by a time that is further off: of power that only rises, or repeats, several fit.
constexpr double kClearlyLess = 0.9;
// Of the pieces, what a shift may cost at their ends: through the few that are left of a short run a line fits by
// chance.
constexpr std::size_t kAtTheEnds = 3, kCostsOneIn = 4;
// Of its limit, what a board draws idle: 70 of 700 W (H100), 55 of 400 (A100), 20 of 450 (RTX 4090).
constexpr double kIdle = 0.1;

// Mean power of both, over pieces of a second or more that begin and end where the sensor was read: between its
// readings it knows but the sum, and on a busy machine they come late.
struct Pairs {
  std::vector<FitPoint> points;
  Nanoseconds compared = 0;
};

Pairs pair_up(const EnergyCurve& sensor, const EnergyCurve& trusted, Nanoseconds late) {
  Pairs pairs;
  std::optional<Nanoseconds> begin;
  for (const EnergyCurve::Point& point : sensor.points()) {
    if (!begin || point.sight != Sight::observed) begin = point.time;
    const Nanoseconds length = point.time - *begin;
    if (length < kSecond) continue;
    const Nanoseconds from = *begin + late, to = point.time + late;
    if (trusted.observed(from, to) == length) {
      const auto watts = [&](MicroJoules energy) {
        return static_cast<double>(energy) * 1e3 / static_cast<double>(length);
      };
      pairs.points.push_back({watts(sensor.between(*begin, point.time)), watts(trusted.between(from, to))});
      pairs.compared += length;
    }
    begin = point.time;
  }
  return pairs;
}

std::optional<CurveFit> fit_at(const EnergyCurve& sensor, const EnergyCurve& trusted, Nanoseconds late) {
  const auto [points, compared] = pair_up(sensor, trusted, late);
  const auto line = fit_line(points);
  if (!line) return std::nullopt;
  CurveFit fit{.line = *line, .late = late, .compared = compared};
  for (const FitPoint& pair : points) fit.mean_watts += pair.y / static_cast<double>(points.size());
  return fit;
}

}  // namespace

double CurveFit::error_at(double watts) const {
  double by_clocks = 0;
  for (const LineFit& other : as_likely) by_clocks = std::max(by_clocks, std::abs(other.at(watts) - line.at(watts)));
  return std::hypot(line.error_at(watts), by_clocks);
}

// Both errors are largest at an end.
double CurveFit::error_watts(double limit_watts) const {
  return std::max(error_at(kIdle * limit_watts), error_at(limit_watts));
}

double CurveFit::relative_error(double limit_watts) const {
  const auto at = [&](double watts) { return error_at(watts) / watts; };
  return std::hypot(line.residual / mean_watts, std::max(at(kIdle * limit_watts), at(limit_watts)));
}

// 25 ms between the clocks make the slope 3 % too flat where power steps each second.
std::optional<CurveFit> fit_curves(const EnergyCurve& sensor, const EnergyCurve& trusted) {
  if (sensor.empty() || trusted.empty()) return std::nullopt;
  auto best = fit_at(sensor, trusted, 0);
  if (!best) return std::nullopt;
  const std::size_t pieces = best->line.points;
  const std::size_t fewest = pieces - std::min(kAtTheEnds, pieces / kCostsOneIn);
  for (Nanoseconds away = kCoarse; away <= kFurthest; away += kCoarse) {
    for (const Nanoseconds late : {away, -away}) {
      const auto fit = fit_at(sensor, trusted, late);
      if (fit && fit->line.points >= fewest && fit->line.residual < kClearlyLess * best->line.residual) best = fit;
    }
  }
  const Nanoseconds middle = best->late;
  for (Nanoseconds late = middle - kCoarse; late <= middle + kCoarse; late += kFine) {
    const auto fit = fit_at(sensor, trusted, late);
    if (fit && fit->line.points >= fewest && fit->line.residual < best->line.residual) best = fit;
  }
  // By as much as one standard error of the clocks' difference leaves more.
  const double freedom = std::max(1.0, static_cast<double>(best->line.points) - 3);
  const double allowed = best->line.residual * std::sqrt(1 + 1 / freedom);
  for (Nanoseconds late = middle - kCoarse; late <= middle + kCoarse; late += kFine) {
    const auto fit = fit_at(sensor, trusted, late);
    if (fit && fit->line.points >= fewest && fit->line.residual <= allowed) best->as_likely.push_back(fit->line);
  }
  return best;
}

}  // namespace everywatt
