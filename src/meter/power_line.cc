#include "meter/power_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/median.h"

namespace everywatt {
namespace {

constexpr std::size_t kFewest = 6;
constexpr int kRounds = 8;
constexpr double kStill = 1e-3;  // of a line's floor and slope: a round that moves it less is the last of its kind
// Points whose pairs make the first line: all pairs of all points would be many, and the squares take all.
constexpr std::size_t kEnoughForMedian = 32;
// Huber's weights: up to so many standard deviations a point counts in full, beyond by its distance; and Tukey's
// biweight: from so many on it is a stranger. Both lose 5 % where all are friends.
constexpr int kGentleRounds = 4;
constexpr double kFar = 1.345;
constexpr double kStranger = 4.685;
constexpr double kMadToDeviation = 1.4826;  // of a normal distribution
// Seconds: readings of unknown time are within half a tick, evenly.
constexpr double kLateDeviation = 0.029;

// In units of what is not known of the point itself.
double residual(const PowerPoint& point, const PowerLine& line) {
  const double utilisation = point.utilisation + line.late * point.per_second_late;
  return (point.watts - line.floor - line.slope * utilisation) / (line.slope * point.doubt);
}

// From all over the utilisation, as many as kEnoughForMedian.
std::vector<PowerPoint> some_of(std::span<const PowerPoint> points) {
  std::vector<PowerPoint> sorted{points.begin(), points.end()};
  std::ranges::sort(sorted, {}, &PowerPoint::utilisation);
  if (sorted.size() <= kEnoughForMedian) return sorted;
  std::vector<PowerPoint> some;
  some.reserve(kEnoughForMedian);
  for (std::size_t i = 0; i < kEnoughForMedian; ++i)
    some.push_back(sorted[i * (sorted.size() - 1) / (kEnoughForMedian - 1)]);
  return some;
}

// Theil and Sen: the median of the slopes of all pairs, which a third of wild observations cannot move far. Those whose
// utilisation is known well, and pairs that lie far apart, weigh more: what is known badly is as often too high as too
// low, which would make the line too steep or too flat.
std::optional<PowerLine> median_line(std::span<const PowerPoint> points, double least_run) {
  std::vector<Weighed> slopes;
  slopes.reserve(points.size() * (points.size() - 1) / 2);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t k = i + 1; k < points.size(); ++k) {
      const double run = points[k].utilisation - points[i].utilisation;
      if (std::abs(run) <= least_run) continue;
      const double doubt = points[i].doubt * points[i].doubt + points[k].doubt * points[k].doubt;  // squared
      slopes.push_back({.value = (points[k].watts - points[i].watts) / run, .weight = run * run / doubt});
    }
  }
  if (slopes.empty()) return std::nullopt;
  const double slope = weighted_median(std::move(slopes));
  std::vector<Weighed> floors;
  floors.reserve(points.size());
  for (const PowerPoint& point : points)
    floors.push_back({.value = point.watts - slope * point.utilisation, .weight = 1 / (point.doubt * point.doubt)});
  return PowerLine{.floor = weighted_median(std::move(floors)), .slope = slope};
}

std::vector<double> distances(std::span<const PowerPoint> points, const PowerLine& line) {
  std::vector<double> all(points.size());
  std::ranges::transform(points, all.begin(), [&](const PowerPoint& point) { return std::abs(residual(point, line)); });
  return all;
}

// How far points lie from the line, by the one in the middle: never less than what is not known of each by itself.
double scatter(std::vector<double> distances) {
  return std::max(1.0, kMadToDeviation * upper_median(std::move(distances)));
}

// Symmetric, of the unknowns floor, slope and slope × lateness.
struct Normal {
  std::array<std::array<double, 3>, 3> matrix{};  // above and on the diagonal, until it is solved
  std::array<double, 3> right{};

  void add(const PowerPoint& point, double weight) {
    const std::array<double, 3> row{1, point.utilisation, point.per_second_late};
    for (std::size_t i = 0; i < 3; ++i) {
      const double weighed = weight * row[i];
      for (std::size_t k = i; k < 3; ++k) matrix[i][k] += weighed * row[k];
      right[i] += weighed * point.watts;
    }
  }
  [[nodiscard]] double cofactor(std::size_t i, std::size_t k) const {
    const std::size_t i1 = (i + 1) % 3, i2 = (i + 2) % 3, k1 = (k + 1) % 3, k2 = (k + 2) % 3;
    return matrix[i1][k1] * matrix[i2][k2] - matrix[i1][k2] * matrix[i2][k1];
  }
  // The line, and the variance of its floor for points of which each weighs what one of variance 1 does.
  [[nodiscard]] std::optional<PowerLine> solve() {
    for (std::size_t i = 1; i < 3; ++i) {
      for (std::size_t k = 0; k < i; ++k) matrix[i][k] = matrix[k][i];
    }
    const double determinant =
        matrix[0][0] * cofactor(0, 0) + matrix[0][1] * cofactor(0, 1) + matrix[0][2] * cofactor(0, 2);
    if (!(determinant > 0)) return std::nullopt;
    std::array<double, 3> found{};
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t k = 0; k < 3; ++k) found[i] += cofactor(k, i) * right[k] / determinant;
    }
    if (!(found[1] > 0)) return std::nullopt;
    return PowerLine{.floor = found[0],
                     .slope = found[1],
                     .floor_error = std::sqrt(std::max(0.0, cofactor(0, 0) / determinant)),
                     .late = found[2] / found[1]};
  }
};

// Least squares in which a point weighs the less the farther it is from the line so far: at first none is left out, so
// that it does not matter much where the line began; then strangers are.
std::optional<PowerLine> refined(std::span<const PowerPoint> points, const PowerLine& line, int round) {
  const std::vector<double> apart = distances(points, line);
  const double deviation = scatter(apart);
  Normal normal;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double far = apart[i] / deviation;
    const double part = std::min(far / kStranger, 1.0);
    const double weight = round < kGentleRounds ? std::min(1.0, kFar / far) : (1 - part * part) * (1 - part * part);
    const double watts = deviation * line.slope * points[i].doubt;
    normal.add(points[i], weight / (watts * watts));
  }
  const double late = line.slope * kLateDeviation;
  normal.matrix[2][2] += 1 / (late * late);
  return normal.solve();
}

// By how many watts errors of the utilisation may have raised the floor, were they all of the scatter: they make a line
// flatter.
double flattening(std::span<const PowerPoint> points, const PowerLine& line) {
  double weights = 0, mean = 0, square = 0, error = 0;
  for (const PowerPoint& point : points) {
    const double off = std::min(std::abs(residual(point, line)), kStranger) * point.doubt;
    const double weight = 1 / (point.doubt * point.doubt);
    weights += weight;
    mean += weight * point.utilisation;
    square += weight * point.utilisation * point.utilisation;
    error += weight * off * off;
  }
  mean /= weights;
  const double variance = square / weights - mean * mean;
  return variance > 0 ? line.slope * mean * error / weights / variance : line.slope;
}

}  // namespace

std::optional<PowerLine> fit_power_line(std::span<const PowerPoint> points, double least_run) {
  if (points.size() < kFewest) return std::nullopt;
  auto line = median_line(some_of(points), least_run);
  for (int round = 0; line && line->slope > 0 && round < kRounds; ++round) {
    const auto next = refined(points, *line, round);
    if (!next) break;
    const bool is_still = std::abs(next->floor - line->floor) < kStill * std::abs(line->floor) &&
                          std::abs(next->slope - line->slope) < kStill * line->slope;
    line = next;
    if (is_still) round = round < kGentleRounds ? kGentleRounds - 1 : kRounds;
  }
  if (!line || !(line->slope > 0)) return std::nullopt;
  line->floor_error = std::hypot(line->floor_error, flattening(points, *line));
  return line;
}

}  // namespace everywatt
