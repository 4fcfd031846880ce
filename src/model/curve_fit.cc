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
// Seconds at the ends of what both saw, that a shift may cost.
constexpr std::size_t kAtTheEnds = 3;
// Of its limit, what a board draws idle: 70 of 700 W (H100), 55 of 400 (A100), 20 of 450 (RTX 4090).
constexpr double kIdle = 0.1;

// Mean power of both over each second that both have seen.
std::vector<FitPoint> pair_up(const EnergyCurve& sensor, const EnergyCurve& trusted, Nanoseconds late) {
  std::vector<FitPoint> pairs;
  const Nanoseconds from = std::max(sensor.points().front().time, trusted.points().front().time - late);
  const Nanoseconds to = std::min(sensor.points().back().time, trusted.points().back().time - late);
  for (Nanoseconds at = from; at + kSecond <= to; at += kSecond) {
    const Nanoseconds there = at + late;
    if (trusted.observed(there, there + kSecond) < kSecond) continue;
    pairs.push_back({static_cast<double>(sensor.between(at, at + kSecond)) / 1e6,
                     static_cast<double>(trusted.between(there, there + kSecond)) / 1e6});
  }
  return pairs;
}

std::optional<CurveFit> fit_at(const EnergyCurve& sensor, const EnergyCurve& trusted, Nanoseconds late) {
  const auto pairs = pair_up(sensor, trusted, late);
  const auto line = fit_line(pairs);
  if (!line) return std::nullopt;
  CurveFit fit{.line = *line, .late = late, .seconds = pairs.size()};
  for (const FitPoint& pair : pairs) fit.mean_watts += pair.y / static_cast<double>(pairs.size());
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
  const std::size_t fewest = best->seconds - std::min(best->seconds, kAtTheEnds);
  for (Nanoseconds away = kCoarse; away <= kFurthest; away += kCoarse) {
    for (const Nanoseconds late : {away, -away}) {
      const auto fit = fit_at(sensor, trusted, late);
      if (fit && fit->seconds >= fewest && fit->line.residual < kClearlyLess * best->line.residual) best = fit;
    }
  }
  const Nanoseconds middle = best->late;
  for (Nanoseconds late = middle - kCoarse; late <= middle + kCoarse; late += kFine) {
    const auto fit = fit_at(sensor, trusted, late);
    if (fit && fit->seconds >= fewest && fit->line.residual < best->line.residual) best = fit;
  }
  // By as much as one standard error of the clocks' difference leaves more.
  const double freedom = std::max(1.0, static_cast<double>(best->seconds) - 3);
  const double allowed = best->line.residual * std::sqrt(1 + 1 / freedom);
  for (Nanoseconds late = middle - kCoarse; late <= middle + kCoarse; late += kFine) {
    const auto fit = fit_at(sensor, trusted, late);
    if (fit && fit->seconds >= fewest && fit->line.residual <= allowed) best->as_likely.push_back(fit->line);
  }
  return best;
}

}  // namespace everywatt
