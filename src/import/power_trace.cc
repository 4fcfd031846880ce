#include "import/power_trace.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace everywatt {
namespace {

constexpr Nanoseconds kShortestSilence = 5 * kSecond;
constexpr Nanoseconds kPeriodsOfSilence = 3;

double seconds(Nanoseconds time) { return static_cast<double>(time) / static_cast<double>(kSecond); }
double in_watts(const PowerReading& reading) { return reading.power / watt; }
double square(double value) { return value * value; }

void merge_into(PowerReading& kept, const PowerReading& other, std::size_t times) {
  kept.power += (1.0 / static_cast<double>(times)) * (other.power - kept.power);
}
void merge_into(CounterReading& kept, const CounterReading& other, std::size_t) {
  kept.total = std::max(kept.total, other.total);
}

// Ascending, one reading a time.
template <class Reading>
void tidy(std::vector<Reading>& readings, Trace& trace) {
  Nanoseconds latest = 0;
  for (const Reading& reading : readings) {
    if (reading.time < latest) ++trace.out_of_order;
    latest = std::max(latest, reading.time);
  }
  std::ranges::sort(readings, {}, &Reading::time);
  std::vector<Reading> tidied;
  std::size_t times = 1;
  for (const Reading& reading : readings) {
    if (tidied.empty() || tidied.back().time != reading.time) {
      tidied.push_back(reading);
      times = 1;
    } else {
      merge_into(tidied.back(), reading, ++times);
      ++trace.duplicates;
    }
  }
  readings = std::move(tidied);
}

// The longest stretch between two readings that is no silence.
template <class Reading>
Nanoseconds longest_step(const std::vector<Reading>& readings) {
  std::vector<Nanoseconds> steps;
  for (std::size_t i = 1; i < readings.size(); ++i) steps.push_back(readings[i].time - readings[i - 1].time);
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::ranges::nth_element(steps, middle);
  const Nanoseconds most = std::numeric_limits<Nanoseconds>::max() / kPeriodsOfSilence;
  return std::max(kPeriodsOfSilence * std::min(*middle, most), kShortestSilence);
}

struct Piece {
  TimeSpan span;
  long double energy = 0;  // microjoules
  Sight sight = Sight::observed;
};

long double energy_of(const PowerReading& a, const PowerReading& b, TimeSpan part) {
  const auto power_at = [&](Nanoseconds time) {
    return in_watts(a) + (in_watts(b) - in_watts(a)) * (seconds(time - a.time) / seconds(b.time - a.time));
  };
  const double mean = (power_at(part.begin) + power_at(part.end)) / 2;
  constexpr long double kNanojoulesPerMicrojoule = 1000;
  return static_cast<long double>(mean) * static_cast<long double>(part.length()) / kNanojoulesPerMicrojoule;
}

long double energy_of(const CounterReading& a, const CounterReading& b, TimeSpan part) {
  if (b.total < a.total) return 0;
  return static_cast<long double>(b.total - a.total) * static_cast<long double>(part.length()) /
         static_cast<long double>(b.time - a.time);
}

bool is_reset(const PowerReading&, const PowerReading&) { return false; }
bool is_reset(const CounterReading& a, const CounterReading& b) { return b.total < a.total; }

template <class Reading>
std::vector<Piece> pieces_of(const std::vector<Reading>& readings, TimeSpan run) {
  std::vector<Piece> pieces;
  const Nanoseconds longest = longest_step(readings);
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const Reading& a = readings[i - 1];
    const Reading& b = readings[i];
    const TimeSpan part{std::max(a.time, run.begin), std::min(b.time, run.end)};
    if (part.end <= part.begin) continue;
    const Sight sight = is_reset(a, b) ? Sight::unseen : b.time - a.time > longest ? Sight::bridged : Sight::observed;
    pieces.push_back({part, energy_of(a, b, part), sight});
  }
  return pieces;
}

// Rounding happens on the running total, so that the sum is exact to a microjoule.
void draw(const std::vector<Piece>& pieces, TimeSpan run, Trace& trace) {
  constexpr MicroJoules kMost = std::numeric_limits<MicroJoules>::max() / 2;
  EnergyCurve curve;
  curve.append(run.begin, 0);
  if (const Nanoseconds first = pieces.front().span.begin; first > run.begin) {
    curve.append(first, 0, Sight::unseen);
    trace.silences.push_back({Silence::Kind::before, {run.begin, first}});
  }
  long double sum = 0;
  for (const Piece& piece : pieces) {
    sum += piece.energy;
    if (sum > static_cast<long double>(kMost)) {
      trace.reason = "the energy is more than a ledger can hold: check the unit";
      return;
    }
    curve.append(piece.span.end, static_cast<MicroJoules>(std::llroundl(sum)), piece.sight);
    if (piece.sight == Sight::bridged) trace.silences.push_back({Silence::Kind::bridged, piece.span});
    if (piece.sight == Sight::unseen) trace.silences.push_back({Silence::Kind::reset, piece.span});
  }
  if (const Nanoseconds last = pieces.back().span.end; last < run.end) {
    curve.append(run.end, curve.points().back().total, Sight::unseen);
    trace.silences.push_back({Silence::Kind::after, {last, run.end}});
  }
  trace.curve = std::move(curve);
}

template <class Reading>
std::vector<Piece> trace_pieces(std::vector<Reading>& readings, TimeSpan run, Trace& trace) {
  tidy(readings, trace);
  std::vector<Piece> pieces;
  if (readings.size() >= 2) pieces = pieces_of(readings, run);
  if (pieces.empty())
    trace.reason = readings.empty()       ? "no valid reading"
                   : readings.size() == 1 ? "one reading only: energy needs two"
                                          : "no reading within reach of the run";
  else
    draw(pieces, run, trace);
  return pieces;
}

// Variance of one reading about the course of its neighbours: what a second
// difference leaves of a straight line. For independent readings the residual
// has the variance sigma^2 (1 + w^2 + (1-w)^2), w being the place between the two.
std::optional<double> variance_about_neighbours(const std::vector<PowerReading>& readings, Nanoseconds longest) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 1; i + 1 < readings.size(); ++i) {
    const PowerReading &a = readings[i - 1], &b = readings[i], &c = readings[i + 1];
    if (b.time - a.time > longest || c.time - b.time > longest) continue;
    const double along = seconds(b.time - a.time) / seconds(c.time - a.time);
    const double residual = in_watts(b) - ((1 - along) * in_watts(a) + along * in_watts(c));
    sum += square(residual) / (1 + square(along) + square(1 - along));
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

double variance(const std::vector<PowerReading>& readings) {
  double mean = 0;
  for (const PowerReading& reading : readings) mean += in_watts(reading);
  mean /= static_cast<double>(readings.size());
  double sum = 0;
  for (const PowerReading& reading : readings) sum += square(in_watts(reading) - mean);
  return sum / static_cast<double>(readings.size() - 1);
}

// Power moves faster than it is read, so each reading stands for its share of
// the time with the spread it has about its neighbours; where power is smooth
// this overstates the trapezoid's error, which is the safe side. In a silence
// it may have been whatever the device does: the spread of all readings, over
// the whole silence.
MicroJoules sampling_uncertainty(const std::vector<PowerReading>& readings, const std::vector<Piece>& pieces) {
  const double spread = variance(readings);
  const double jitter = variance_about_neighbours(readings, longest_step(readings)).value_or(spread);
  double sum = 0;
  double half_before = 0;  // of the observed piece that ends at the reading
  for (const Piece& piece : pieces) {
    const double length = seconds(piece.span.length());
    const double half = piece.sight == Sight::observed ? length / 2 : 0;
    sum += jitter * square(half_before + half);
    half_before = half;
    if (piece.sight == Sight::bridged) sum += spread * square(length);
  }
  sum += jitter * square(half_before);
  constexpr double kMicrojoulesPerJoule = 1e6;
  return static_cast<MicroJoules>(std::llround(std::min(std::sqrt(sum) * kMicrojoulesPerJoule, 9e18)));
}

MicroJoules smallest_step(const std::vector<CounterReading>& readings) {
  MicroJoules smallest = 0;
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const MicroJoules step = readings[i].total - readings[i - 1].total;
    if (step > 0 && (smallest == 0 || step < smallest)) smallest = step;
  }
  return smallest;
}

}  // namespace

Trace trace_power(std::vector<PowerReading> readings, TimeSpan run) {
  Trace trace;
  const std::vector<Piece> pieces = trace_pieces(readings, run, trace);
  if (!trace.curve.empty()) trace.random = sampling_uncertainty(readings, pieces);
  return trace;
}

Trace trace_counter(std::vector<CounterReading> readings, TimeSpan run) {
  Trace trace;
  trace_pieces(readings, run, trace);
  trace.resolution = smallest_step(readings);
  // Both ends are rounded evenly within one step q: u = q / sqrt(12) x sqrt(2).
  if (!trace.curve.empty())
    trace.random = static_cast<MicroJoules>(static_cast<double>(trace.resolution) / std::sqrt(6.0));
  return trace;
}

}  // namespace everywatt
