#include "meter/aliasing.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>
#include <span>

namespace everywatt {
namespace {

// A reading this soon after another shows what that one was too early for.
constexpr double kSameRenewal = 0.75;
// Readings that deviate by so much of their mean show a load that is constant, or always the same part of one.
constexpr double kConstant = 0.03;
// Work that comes and goes moves the utilisation, the mean over a sixth of a second
// (nvmlDeviceGetUtilizationRates), by more than its steps of 1 %; idle and full are constant.
constexpr double kMovingUtilisation = 0.02;
constexpr double kLeastWork = 0.05;
// Neighbours of a fold that differ by less than this part of what any two differ by: it repeats.
constexpr double kRepeats = 0.1;
constexpr double kManyCycles = 16;    // fewer may be anything
constexpr double kWholeCycles = 1.5;  // fewer do not show all of one
constexpr double kHardlyRough = 0.4;  // the utilisation's, whose steps of 1 % are as large as its moves
// Parts of a cycle that are wider are seen again and again at the same edges …
constexpr double kFar = 0.03;
// … and wider still may hide whole bursts.
constexpr double kWideGap = 0.15;
// A period of more than five readings shows in the utilisation too.
constexpr double kSlow = 0.2;
constexpr std::size_t kCountedWell = 128;
constexpr std::size_t kLongestLag = 4;  // readings by which the utilisation is behind
constexpr double kFollows = 0.5;        // share of the power's variance that it explains
// A100s said to average 25 ms were found to average 18 to 25 (arXiv 2312.02741).
constexpr double kShortestWindow = 0.72;

struct Moments {
  double mean = 0;
  double variance = 0;
};

template <class Values, class Value>
Moments moments_of(const Values& values, Value value) {
  Moments moments;
  for (const auto& v : values) moments.mean += value(v);
  moments.mean /= static_cast<double>(values.size());
  for (const auto& v : values) moments.variance += std::pow(value(v) - moments.mean, 2);
  moments.variance /= static_cast<double>(values.size());
  return moments;
}

struct Point {
  double number = 0;
  double value = 0;
};

// Strength of one frequency, in cycles a reading.
double strength(std::span<const Point> points, double frequency) {
  std::complex<double> sum;
  std::complex<double> turn{1, 0};
  double at = points.front().number;
  const auto step = std::polar(1.0, -2 * std::numbers::pi * frequency);
  for (const Point& point : points) {
    for (; at < point.number; ++at) turn *= step;
    sum += point.value * turn;
  }
  return std::norm(sum);
}

// The strongest of all frequencies, to a small part of the width of its line.
double strongest(std::span<const Point> points) {
  const double span = points.back().number - points.front().number + 1;
  const double step = 1 / (4 * span);
  double best = step;
  double most = 0;
  for (double frequency = 1 / span; frequency <= 0.5; frequency += step) {
    if (const double now = strength(points, frequency); now > most) {
      most = now;
      best = frequency;
    }
  }
  for (double width = step; width > step / 512; width /= 2) {
    for (const double frequency : {best - width / 2, best + width / 2}) {
      if (const double now = strength(points, frequency); now > most) {
        most = now;
        best = frequency;
      }
    }
  }
  return best;
}

// The readings in the order of where in the cycle they stand, 0 to 1.
std::vector<Point> folded(std::span<const Point> points, double frequency) {
  std::vector<Point> fold;
  for (const Point& point : points) {
    const double turns = point.number * frequency;
    fold.push_back({turns - std::floor(turns), point.value});
  }
  std::ranges::sort(fold, {}, &Point::number);
  return fold;
}

// What neighbours differ by beside what any two do (Lafler and Kinman 1965): about 1 where nothing repeats.
double roughness(const std::vector<Point>& fold, double variance) {
  double sum = std::pow(fold.front().value - fold.back().value, 2);
  for (std::size_t i = 1; i < fold.size(); ++i) sum += std::pow(fold[i].value - fold[i - 1].value, 2);
  return sum / (2 * variance * static_cast<double>(fold.size()));
}

struct Fold {
  double cycles = 0;  // a reading
  std::vector<Point> points = {};
  double roughness = 0;
};

// At the period with which they repeat, if they do. Where an overtone is the strongest line, the tone itself is a part
// of it, once around or more.
Fold fold_of(std::span<const Point> points, double variance) {
  const double line = strongest(points);
  Fold fold{.cycles = line, .points = folded(points, line)};
  for (const double tone : {line / 2, (line + 1) / 2, line / 3, (line + 1) / 3, (line + 2) / 3}) {
    if (roughness(fold.points, variance) < kRepeats) break;
    fold = {.cycles = tone, .points = folded(points, tone)};
  }
  fold.roughness = roughness(fold.points, variance);
  return fold;
}

double gap_after(const std::vector<Point>& fold, std::size_t i) {
  return i + 1 < fold.size() ? fold[i + 1].number - fold[i].number : fold[0].number + 1 - fold[i].number;
}

}  // namespace

void Aliasing::take(Nanoseconds time, double watts, Time how) {
  lowest_ = std::min(lowest_.value_or(watts), watts);
  if (readings_.empty()) {
    last_ = time;
    readings_.push_back({0, watts, utilisation_, time, how});
    return;
  }
  const double renewals = static_cast<double>(time - last_) / period_;
  if (renewals < kSameRenewal) {
    readings_.back().watts = watts;
    return;
  }
  last_ = time;
  const double number = readings_.back().number + std::max(1.0, std::round(renewals));
  readings_.push_back({number, watts, utilisation_, time, how});
}

void Aliasing::start_anew() {
  if (!readings_.empty()) steps_.forget_before(readings_.back().time);
  readings_.clear();
}

void Aliasing::take_utilisation(double share) { utilisation_ = share; }

Aliasing::Verdict Aliasing::judge() const {
  if (readings_.size() < kFewest) return {};
  const Moments moments = moments_of(readings_, [](const Reading& r) { return r.watts; });
  Verdict verdict = judge_by_power(moments.mean, moments.variance);
  const double hidden = hidden_in_steps(moments.mean, moments.variance);
  if (hidden <= verdict.possible_error) return verdict;
  const double by_chance = moments.variance / static_cast<double>(readings_.size());
  const double known = verdict.repeats ? verdict.standard_error : std::sqrt(by_chance);
  return {.repeats = true, .standard_error = std::hypot(known, hidden / std::sqrt(3.0)), .possible_error = hidden};
}

Aliasing::Verdict Aliasing::judge_by_power(double mean, double variance) const {
  return std::sqrt(variance) <= kConstant * mean ? judge_constant(mean) : judge_repeating(mean, variance);
}

// By how many watts the mean can be off because no window fell on some part of the steps: that may draw as little as
// was ever seen, and as much as the device can.
double Aliasing::hidden_in_steps(double mean, double variance) const {
  const auto window = static_cast<Nanoseconds>(kShortestWindow * static_cast<double>(window_));
  const double low = lowest_beside(mean), high = std::max(most_, mean);
  const auto placed = std::ranges::count(readings_, Time::placed, &Reading::how);
  if (2 * static_cast<std::size_t>(placed) > readings_.size()) {
    std::vector<StepFold::Look> looks;
    for (const Reading& reading : readings_) {
      if (reading.how == Time::placed) looks.push_back({reading.time, reading.watts});
    }
    const auto seen = steps_.seen_by(looks, window);
    if (!seen || seen->unseen <= 0) return 0;
    const double rest = (1 - seen->unseen) * seen->watts - mean;
    return std::max(std::abs(rest + seen->unseen * low), std::abs(rest + seen->unseen * high));
  }
  const double unseen =
      std::sqrt(variance) <= kConstant * mean ? steps_.most_unseen(window) : unseen_in_fold(mean, variance, window);
  return unseen * std::max(mean - low, high - mean);
}

// Share of a step on which no window fell, by how the readings repeat, if it is the steps with which they do.
double Aliasing::unseen_in_fold(double mean, double variance, Nanoseconds window) const {
  const auto step = steps_.median();
  if (!step) return 0;
  // The first of them: renewals that are not seen are miscounted before long.
  std::vector<Point> points;
  for (const Reading& reading : std::span{readings_}.first(std::min(readings_.size(), kCountedWell)))
    points.push_back({reading.number, reading.watts - mean});
  const Fold fold = fold_of(points, variance);
  if (fold.roughness >= kRepeats || !steps_.may_advance_by(fold.cycles)) return 0;
  // Where in the step all of them fell, at that pace.
  std::vector<Point> places;
  for (std::size_t i = 0; i < readings_.size(); ++i) places.push_back({static_cast<double>(i), 0});
  places = folded(places, fold.cycles);
  const double wide = static_cast<double>(window) / static_cast<double>(*step);
  double unseen = 0;
  for (std::size_t i = 0; i < places.size(); ++i) unseen += std::max(0.0, gap_after(places, i) - wide);
  return unseen;
}

// None: there is always work, or never, or it never moves.
std::optional<Aliasing::PartialWork> Aliasing::partial_work() const {
  std::vector<Point> shares;
  // Every other: their register is renewed less often than the power's.
  for (std::size_t i = 0; i < readings_.size(); i += 2) {
    if (readings_[i].utilisation) shares.push_back({readings_[i].number, *readings_[i].utilisation});
  }
  if (shares.size() < kFewest / 2) return std::nullopt;
  const Moments moments = moments_of(shares, [](const Point& point) { return point.value; });
  const auto [low, high] = std::ranges::minmax(shares, {}, &Point::value);
  const bool is_partial = moments.mean >= kLeastWork && moments.mean <= 1 - kLeastWork;
  if (!is_partial || high.value - low.value < kMovingUtilisation) return std::nullopt;
  if (std::sqrt(moments.variance) >= kMovingUtilisation)
    return PartialWork{.mean = moments.mean, .comes_and_goes = true};
  for (Point& point : shares) point.value -= moments.mean;
  const double rough = roughness(folded(shares, strongest(shares)), moments.variance);
  return PartialWork{.mean = moments.mean, .comes_and_goes = rough < kHardlyRough};
}

// Either the load is constant, or always the same part of it is seen.
Aliasing::Verdict Aliasing::judge_constant(double watts) const {
  const auto work = partial_work();
  if (!work || !work->comes_and_goes) return {};
  return hidden_part(watts, work->mean);
}

// The least that the device may draw; 0 where nothing lower than this was seen.
double Aliasing::lowest_beside(double watts) const {
  return lowest_ && *lowest_ < (1 - kConstant) * watts ? *lowest_ : 0;
}

Aliasing::Verdict Aliasing::hidden_part(double watts, double work) const {
  const double error = std::max((1 - work) * (watts - lowest_beside(watts)), work * std::max(0.0, most_ - watts));
  return {.repeats = true, .standard_error = error / std::sqrt(3.0), .possible_error = error};
}

Aliasing::Verdict Aliasing::judge_repeating(double mean, double variance) const {
  std::vector<Point> points;
  for (const Reading& reading : readings_) points.push_back({reading.number, reading.watts - mean});
  const double span = points.back().number + 1;
  const auto [cycles, fold, rough] = fold_of(points, variance);
  if (rough >= kRepeats) return {};
  // What is slow and shows in the utilisation is no beat, and parts of a cycle are what was drawn.
  const auto work = partial_work();
  const bool is_beat = cycles > kSlow || (work && !follows_utilisation(mean, variance));
  if (cycles * span < kManyCycles && !is_beat) return {};
  if (cycles * span < kWholeCycles) return work ? hidden_part(mean, work->mean) : Verdict{};

  double hidden = 0;  // variance of the mean by what lies between near neighbours …
  double locked = 0;  // … and the most that it can be off by what lies between far ones, which no time brings nearer
  double whole = 0;   // the mean over a cycle, all parts of it alike
  double widest = 0;  // gap
  const std::size_t count = fold.size();
  const auto at = [&](std::size_t i) { return fold[i % count].value; };
  for (std::size_t i = 0; i < count; ++i) {
    const double gap = gap_after(fold, i);
    // A straight line through what is not seen errs by how much its neighbours bend.
    const double bend =
        std::abs(at(i + 1) - 2 * at(i) + at(i + count - 1)) + std::abs(at(i + 2) - 2 * at(i + 1) + at(i));
    if (gap < kFar) {
      hidden += std::pow(gap * bend / 4, 2) / 3;
    } else {
      locked += gap * bend / 4;
    }
    widest = std::max(widest, gap);
    whole += gap * (at(i) + at(i + 1)) / 2;
  }
  const double lopsided = is_beat ? std::abs(whole) : 0;
  if (cycles * span < kManyCycles && !is_beat) return {};
  const double by_chance = rough * variance / static_cast<double>(count);
  Verdict verdict{.repeats = true,
                  .standard_error = std::sqrt(hidden + by_chance + (lopsided * lopsided + locked * locked) / 3),
                  .possible_error = 2 * std::sqrt(hidden) + locked + lopsided};
  if (widest >= kWideGap && work) {
    const Verdict burst = hidden_part(mean, work->mean);
    verdict.standard_error = std::max(verdict.standard_error, widest * burst.standard_error);
    verdict.possible_error = std::max(verdict.possible_error, widest * burst.possible_error);
  }
  return verdict;
}

bool Aliasing::follows_utilisation(double mean, double variance) const {
  const auto share = [](const Reading& reading) { return reading.utilisation.value_or(0); };
  const Moments shares = moments_of(readings_, share);
  if (shares.variance <= 0 || variance <= 0) return false;
  double most = 0;
  for (std::size_t lag = 0; lag <= kLongestLag; ++lag) {
    double sum = 0;
    for (std::size_t i = lag; i < readings_.size(); ++i)
      sum += (readings_[i - lag].watts - mean) * (share(readings_[i]) - shares.mean);
    most = std::max(most, sum / static_cast<double>(readings_.size() - lag));
  }
  return most * most >= kFollows * variance * shares.variance;
}

}  // namespace everywatt
