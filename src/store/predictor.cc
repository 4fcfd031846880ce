#include "store/predictor.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/median.h"
#include "store/straight_line.h"

namespace everywatt {
namespace {

// Medians are taken of so many at most: enough for a hundredth of the spread.
constexpr std::size_t kSample = 1024;

bool has_slope(Shape shape) {
  return shape == Shape::line || shape == Shape::grid || shape == Shape::rate || shape == Shape::step_rate;
}

// The median of at(i) for i in [from, to), of a sample where there are many.
template <class At>
auto median_over(std::size_t from, std::size_t to, At at) {
  const std::size_t stride = (to - from + kSample - 1) / kSample;
  std::vector<decltype(at(from))> sample;
  sample.reserve(kSample);
  for (std::size_t i = from; i < to; i += stride) sample.push_back(at(i));
  return upper_median(std::move(sample));
}

std::int64_t clamped(double value) {
  constexpr double kMost = 9.2e18;
  return static_cast<std::int64_t>(std::llround(std::clamp(value, -kMost, kMost)));
}

std::int64_t step_at(std::span<const std::uint64_t> numbers, std::size_t i) {
  return static_cast<std::int64_t>(numbers[i] - numbers[i - 1]);
}

Fit fit_of(Shape shape, const StraightLine& line) {
  return {shape, clamped(std::ldexp(line.offset, kLineBits)), clamped(std::ldexp(line.slope, kLineBits))};
}

std::vector<double> reals_of(std::span<const std::uint64_t> numbers) { return {numbers.begin(), numbers.end()}; }

Fit line_fit(std::span<const std::uint64_t> numbers) {
  std::vector<double> index(numbers.size());
  std::iota(index.begin(), index.end(), 0.0);
  return fit_of(Shape::line, line_through(index, reals_of(numbers)));
}

// Times on a grid of which some points are missing: which point each one is, then the line over these.
std::optional<Fit> grid_fit(std::span<const std::uint64_t> times) {
  const auto period =
      static_cast<double>(median_over(1, times.size(), [&](std::size_t i) { return step_at(times, i); }));
  if (!(period >= 1)) return std::nullopt;
  std::vector<double> points(times.size());
  for (std::size_t i = 1; i < times.size(); ++i) {
    points[i] = points[i - 1] + std::max(1.0, std::round(static_cast<double>(step_at(times, i)) / period));
  }
  return fit_of(Shape::grid, line_through(points, reals_of(times)));
}

void add_rates(std::vector<Fit>& fits, std::span<const std::uint64_t> numbers, std::span<const std::uint64_t> times) {
  const StraightLine line = line_through(reals_of(times), reals_of(numbers));
  const std::int64_t rise = clamped(std::ldexp(line.slope * static_cast<double>(times.back()), kRateBits));
  fits.push_back({Shape::rate, clamped(std::ldexp(line.offset, kRateBits)), rise});
  Fit fit{Shape::step_rate, 0, rise};
  Predictor predictor{fit, times.back()};
  std::vector<std::int64_t> left;
  left.reserve(numbers.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) left.push_back(static_cast<std::int64_t>(numbers[i] - predictor.predict(times[i])));
    predictor.learn(numbers[i], times[i]);
  }
  fit.centre = upper_median(std::move(left));
  fits.push_back(fit);
}

}  // namespace

void put_fit(std::string& out, const Fit& fit) {
  put_signed(out, fit.centre);
  if (has_slope(fit.shape)) put_signed(out, fit.slope);
}

std::optional<Fit> read_fit(ByteReader& in, Shape shape) {
  const auto centre = in.signed_varint();
  if (!centre) return std::nullopt;
  Fit fit{shape, *centre, 0};
  if (!has_slope(shape)) return fit;
  const auto slope = in.signed_varint();
  if (!slope) return std::nullopt;
  fit.slope = *slope;
  return fit;
}

std::vector<Fit> fits_for(std::span<const std::uint64_t> numbers, std::span<const std::uint64_t> times) {
  std::vector<Fit> fits;
  const std::size_t n = numbers.size();
  const bool are_times = times.empty();
  if (!are_times || n < 3) {
    const auto level = [&](std::size_t i) { return static_cast<std::int64_t>(numbers[i]); };
    fits.push_back({Shape::level, median_over(0, n, level), 0});
  }
  if (n < 3) return fits;
  fits.push_back({Shape::step, median_over(1, n, [&](std::size_t i) { return step_at(numbers, i); }), 0});
  fits.push_back({Shape::step_of_step, 0, 0});
  if (n < 16) return fits;
  if (are_times) {
    if (const auto grid = grid_fit(numbers)) fits.push_back(*grid);
  } else {
    fits.push_back(line_fit(numbers));
    add_rates(fits, numbers, times);
  }
  return fits;
}

Predictor::Predictor(const Fit& fit, std::uint64_t length) : fit_{fit} {
  if (fit.shape == Shape::line || fit.shape == Shape::grid) line_ = fit.centre;
  if ((fit.shape != Shape::rate && fit.shape != Shape::step_rate) || length == 0) return;
  // As many bits of rise / length as leave the product with a time within 127.
  const auto size = static_cast<std::uint64_t>(fit.slope < 0 ? -(fit.slope + 1) : fit.slope);
  shift_ = static_cast<unsigned>(
      std::clamp(61 + static_cast<int>(std::bit_width(length)) - static_cast<int>(std::bit_width(size)), 0, 62));
  multiplier_ = Wide{fit.slope} * (Wide{1} << shift_) / static_cast<Wide>(length);
}

}  // namespace everywatt
