#include "tests/lab/shape.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <random>

namespace everywatt::lab {
namespace {

double seconds(Nanoseconds time) { return static_cast<double>(time) * 1e-9; }

Nanoseconds floor_divide(Nanoseconds a, Nanoseconds b) { return a / b - (a % b < 0 ? 1 : 0); }

double angular_frequency(const Shape::Sine& sine) { return 2 * std::numbers::pi / seconds(sine.period); }

// In [0, period): far from zero the sine of a large angle would lose digits.
double angle_at(const Shape::Sine& sine, Nanoseconds time) {
  const Nanoseconds since = time - sine.phase;
  return angular_frequency(sine) * seconds(since - sine.period * floor_divide(since, sine.period));
}

// Integral of the alternating part from its phase on; whole periods add nothing.
double swing_integral(const Shape::Sine& sine, Nanoseconds time) {
  return sine.amplitude * (1 - std::cos(angle_at(sine, time))) / angular_frequency(sine);
}

}  // namespace

Shape Shape::of(Pattern pattern) {
  pattern.close();
  Shape shape;
  shape.patterns_.push_back(std::make_shared<const Pattern>(std::move(pattern)));
  return shape;
}

Shape Shape::constant(double value) { return of({.pieces = {{0, value, 0}}}); }

Shape Shape::steps(const std::vector<Point>& points, Nanoseconds repeat) {
  Pattern pattern{.pieces = {}, .cycle = repeat};
  for (const Point& point : points) pattern.pieces.push_back({point.at, point.value, 0});
  return of(std::move(pattern));
}

Shape Shape::lines(const std::vector<Point>& points, Nanoseconds repeat) {
  Pattern pattern{.pieces = {}, .cycle = repeat};
  for (std::size_t i = 0; i < points.size(); ++i) {
    const bool is_last = i + 1 == points.size();
    const double slope =
        is_last ? 0 : (points[i + 1].value - points[i].value) / seconds(points[i + 1].at - points[i].at);
    pattern.pieces.push_back({points[i].at, points[i].value, slope});
  }
  return of(std::move(pattern));
}

Shape Shape::square(const Square& square) {
  const auto high = static_cast<Nanoseconds>(static_cast<double>(square.period) * square.duty);
  Pattern pattern{.pieces = {}, .phase = square.phase, .cycle = square.period};
  if (high > 0) pattern.pieces.push_back({0, square.high, 0});
  if (high < square.period) pattern.pieces.push_back({high, square.low, 0});
  return of(std::move(pattern));
}

Shape Shape::sine(const Sine& sine) {
  Shape shape;
  shape.sines_.push_back(sine);
  return shape;
}

Shape Shape::bursts(const Bursts& bursts) {
  std::mt19937_64 random{bursts.seed};
  // Not std::uniform_real_distribution: its numbers differ between libraries.
  const auto uniform = [&random] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  Pattern pattern{.pieces = {{0, 0, 0}}, .cycle = bursts.cycle};
  for (Nanoseconds slot = 0; slot + bursts.slot <= bursts.cycle; slot += bursts.slot) {
    const auto length = static_cast<double>(bursts.slot);
    const double begin = uniform() * 0.98;
    const auto from = slot + 1 + static_cast<Nanoseconds>(begin * length);
    const auto to = from + 1 + static_cast<Nanoseconds>(uniform() * (0.99 - begin) * length);
    pattern.pieces.push_back({from, uniform() * bursts.peak, 0});
    pattern.pieces.push_back({to, 0, 0});
  }
  return of(std::move(pattern));
}

Shape& Shape::operator+=(const Shape& other) {
  patterns_.insert(patterns_.end(), other.patterns_.begin(), other.patterns_.end());
  sines_.insert(sines_.end(), other.sines_.begin(), other.sines_.end());
  return *this;
}

Shape Shape::scaled(double factor) const {
  Shape scaled = *this;
  for (auto& shared : scaled.patterns_) {
    Pattern pattern = *shared;
    for (Piece& piece : pattern.pieces) {
      piece.value *= factor;
      piece.slope *= factor;
    }
    pattern.close();
    shared = std::make_shared<const Pattern>(std::move(pattern));
  }
  for (Sine& sine : scaled.sines_) {
    sine.mean *= factor;
    sine.amplitude *= factor;
  }
  return scaled;
}

double Shape::at(Nanoseconds time) const {
  double sum = 0;
  for (const auto& pattern : patterns_) sum += pattern->at(time - pattern->phase);
  for (const Sine& sine : sines_) sum += sine.mean + sine.amplitude * std::sin(angle_at(sine, time));
  return sum;
}

double Shape::integral(Nanoseconds from, Nanoseconds to) const {
  double sum = 0;
  for (const auto& pattern : patterns_)
    sum += pattern->antiderivative(to - pattern->phase) - pattern->antiderivative(from - pattern->phase);
  for (const Sine& sine : sines_)
    sum += sine.mean * seconds(to - from) + swing_integral(sine, to) - swing_integral(sine, from);
  return sum;
}

double Shape::mean(Nanoseconds from, Nanoseconds to) const {
  return to > from ? integral(from, to) / seconds(to - from) : at(to);
}

double Shape::followed(Nanoseconds time, Nanoseconds time_constant) const {
  if (time_constant <= 0) return at(time);
  const double tau = seconds(time_constant);
  double sum = 0;
  for (const auto& pattern : patterns_) sum += pattern->followed(time - pattern->phase, tau);
  for (const Sine& sine : sines_) {
    const double lag = angular_frequency(sine) * tau;
    sum += sine.mean + sine.amplitude * std::sin(angle_at(sine, time) - std::atan(lag)) / std::hypot(1, lag);
  }
  return sum;
}

double Shape::least() const {
  double sum = 0;
  for (const auto& pattern : patterns_) {
    const std::vector<Piece>& pieces = pattern->pieces;
    double least = pieces.front().value;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Piece& piece = pieces[i];
      least = std::min(least, piece.value);
      const Nanoseconds end = i + 1 < pieces.size() ? pieces[i + 1].begin : pattern->cycle;
      if (end > piece.begin) least = std::min(least, piece.value + piece.slope * seconds(end - piece.begin));
    }
    sum += least;
  }
  for (const Sine& sine : sines_) sum += sine.mean - std::abs(sine.amplitude);
  return sum;
}

void Shape::Pattern::close() {
  assert(!pieces.empty());
  // A cycle is whole: its first value holds from its begin.
  if (cycle > 0 && pieces.front().begin > 0) pieces.insert(pieces.begin(), {0, pieces.front().value, 0});
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    const Piece& last = pieces[i - 1];
    assert(pieces[i].begin > last.begin);
    const double length = seconds(pieces[i].begin - last.begin);
    pieces[i].before = last.before + last.value * length + 0.5 * last.slope * length * length;
  }
  index();
  if (cycle > 0) whole = antiderivative_in_cycle(cycle);
}

// As many slots as pieces: most hold one.
void Shape::Pattern::index() {
  const auto count = static_cast<Nanoseconds>(pieces.size());
  slot = (pieces.back().begin - pieces.front().begin) / count + 1;
  begun.assign(pieces.size() + 1, static_cast<std::uint32_t>(count - 1));
  std::uint32_t last = 0;
  for (Nanoseconds i = 0; i < count; ++i) {
    const Nanoseconds begin = pieces.front().begin + i * slot;
    while (last + 1 < pieces.size() && pieces[last + 1].begin <= begin) ++last;
    begun[static_cast<std::size_t>(i)] = last;
  }
}

const Shape::Piece& Shape::Pattern::piece_at(Nanoseconds time) const {
  if (time <= pieces.front().begin) return pieces.front();
  const auto number = std::min(static_cast<std::size_t>((time - pieces.front().begin) / slot), pieces.size() - 1);
  const auto end = pieces.begin() + begun[number + 1] + 1;
  return *std::prev(std::upper_bound(pieces.begin() + begun[number], end, time,
                                     [](Nanoseconds at, const Piece& piece) { return at < piece.begin; }));
}

double Shape::Pattern::at(Nanoseconds time) const {
  if (cycle > 0) time -= cycle * floor_divide(time, cycle);
  const Piece& piece = piece_at(time);
  return time < piece.begin ? piece.value : piece.value + piece.slope * seconds(time - piece.begin);
}

double Shape::Pattern::antiderivative_in_cycle(Nanoseconds time) const {
  const Piece& piece = piece_at(time);
  const double since = seconds(time - piece.begin);
  return piece.before + piece.value * since + (since > 0 ? 0.5 * piece.slope * since * since : 0);
}

double Shape::Pattern::antiderivative(Nanoseconds time) const {
  if (cycle == 0) return antiderivative_in_cycle(time);
  const Nanoseconds turns = floor_divide(time, cycle);
  return static_cast<double>(turns) * whole + antiderivative_in_cycle(time - turns * cycle);
}

// Integral of x(u) e^((u-to)/τ) / τ over [from, to], within one cycle. For a linear x
// the antiderivative is (x - slope·τ) e^((u-to)/τ).
double Shape::Pattern::weighted(Nanoseconds from, Nanoseconds to, double time_constant) const {
  constexpr double kForgotten = -45;  // e^-45 is below a double's resolution
  double sum = 0;
  Nanoseconds end = to;
  for (const Piece* piece = &piece_at(to); end > from; --piece) {
    const bool is_first = piece == pieces.data();
    const Nanoseconds begin = is_first ? from : std::max(from, piece->begin);
    if (end > begin) {
      // The first piece's value holds before it, without its slope.
      const double slope = begin < piece->begin ? 0 : piece->slope;
      const auto value = [&](Nanoseconds time) { return piece->value + slope * seconds(time - piece->begin); };
      const auto weight = [&](Nanoseconds time) { return std::exp(seconds(time - to) / time_constant); };
      sum +=
          (value(end) - slope * time_constant) * weight(end) - (value(begin) - slope * time_constant) * weight(begin);
    }
    end = begin;
    if (is_first || seconds(end - to) / time_constant < kForgotten) break;
  }
  return sum;
}

double Shape::Pattern::followed(Nanoseconds time, double time_constant) const {
  const auto decay = [&](Nanoseconds length) { return std::exp(-seconds(length) / time_constant); };
  if (cycle == 0) {
    const Nanoseconds begin = pieces.front().begin;
    if (time <= begin) return pieces.front().value;
    return weighted(begin, time, time_constant) + pieces.front().value * decay(time - begin);
  }
  // y(t) = this cycle's share + what the one before left, and y has the cycle's period.
  const Nanoseconds since = time - cycle * floor_divide(time, cycle);
  const double turn = weighted(0, since, time_constant) + decay(since) * weighted(since, cycle, time_constant);
  return turn / (1 - decay(cycle));
}

}  // namespace everywatt::lab
