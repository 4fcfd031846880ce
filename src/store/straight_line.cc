#include "store/straight_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "base/median.h"

namespace everywatt {
namespace {

// Medians are taken of so many at most: enough for a few hundredths of the spread.
constexpr std::size_t kSample = 1024;
constexpr int kMostExchanges = 30;

// The line whose greatest deviation is least, by exchange of three points
// (C. J. de la Vallée Poussin, 1919): it goes as far below the outer two as
// above the middle one; the point that deviates most takes the place of one.
StraightLine least_deviation(std::span<const double> x, std::span<const double> y) {
  std::array<std::size_t, 3> at = {0, x.size() / 2, x.size() - 1};
  StraightLine line;
  for (int exchange = 0; exchange < kMostExchanges; ++exchange) {
    const auto [a, b, c] = at;
    line.slope = (y[c] - y[a]) / (x[c] - x[a]);
    const double chord = y[a] + line.slope * (x[b] - x[a]);
    const double deviation = (y[b] - chord) / 2;  // of b above the line, of a and c below it
    line.offset = y[a] + deviation - line.slope * x[a];
    std::size_t worst = 0;
    for (std::size_t i = 1; i < x.size(); ++i) {
      if (std::abs(y[i] - line.at(x[i])) > std::abs(y[worst] - line.at(x[worst]))) worst = i;
    }
    const double most = y[worst] - line.at(x[worst]);
    if (std::abs(most) <= std::abs(deviation) * (1 + 1e-9)) return line;
    // Deviations of the three keep alternating in sign.
    const bool with_middle = (most > 0) == (deviation > 0);
    if (worst < a) {
      at = with_middle ? std::array{worst, a, b} : std::array{worst, b, c};
    } else if (worst > c) {
      at = with_middle ? std::array{b, c, worst} : std::array{a, b, worst};
    } else if (with_middle) {
      at[1] = worst;
    } else {
      at[worst < b ? 0 : 2] = worst;
    }
  }
  return line;
}

}  // namespace

double median_of(std::span<const double> numbers) {
  const std::size_t stride = (numbers.size() + kSample - 1) / kSample;
  std::vector<double> sample;
  sample.reserve(kSample);
  for (std::size_t i = 0; i < numbers.size(); i += stride) sample.push_back(numbers[i]);
  return upper_median(std::move(sample));
}

StraightLine line_through(std::span<const double> x, std::span<const double> y) {
  const std::size_t n = x.size(), third = n / 3;
  // Through the medians of the first and the last third.
  const double rough = (y[n - 1] - y[0]) / (x[n - 1] - x[0]);
  std::vector<double> left(n);
  const auto take_off = [&](double slope) {
    for (std::size_t i = 0; i < n; ++i) left[i] = y[i] - slope * x[i];
  };
  take_off(rough);
  const std::span<const double> all{left};
  const double tilt = median_of(all.last(third)) - median_of(all.first(third));
  StraightLine line{.slope = rough + tilt / (x[n - 1 - third / 2] - x[third / 2])};
  take_off(line.slope);
  line.offset = median_of(all);
  const auto strays = [&](double number) { return std::abs(number - line.offset) >= 1; };
  if (std::ranges::none_of(left, strays)) line = least_deviation(x, y);
  line.offset += 0.5;  // predictions are rounded down
  return line;
}

}  // namespace everywatt
