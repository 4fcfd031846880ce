#include "meter/gpu_floor.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace everywatt {
namespace {

// Between what a driver stamps and what truly was, and between when a register is renewed and when we take it for.
constexpr Nanoseconds kSlack = 5 * kMillisecond;
// A mean over long may be a renewal old, and that shows.
constexpr Nanoseconds kLongMean = kSecond / 2;
constexpr Nanoseconds kMeanSlack = 110 * kMillisecond;
// Two means over a sixth of a second, one of the work and one of when it is read, are as wide as 0.236 s evenly; a
// tenth of that is in the counter's own steps.
constexpr Nanoseconds kBlur = 214 * kMillisecond;
constexpr double kResolution = 0.004;              // of utilisation, as drivers tell it
constexpr double kPieceDoubt = 0.015;              // where a piece's energy is taken from steps that end at other times
constexpr Nanoseconds kLongestStep = kSecond / 5;  // for which one reading stands
constexpr Nanoseconds kMostKept = 8 * kSecond;     // while work is not told
constexpr Nanoseconds kGuess = kSecond / 20;       // how far the time of a reading may be off that was guessed
constexpr Nanoseconds kEnough = 2 * kSecond;       // of quiet for one observation …
constexpr Nanoseconds kGlimpse = 3 * kSecond / 10;  // … and for as much as a run too short for one can have
constexpr Nanoseconds kLooks = 8;                   // at a moving mean within one piece

}  // namespace

void GpuFloor::take(const Activity::Piece& piece) {
  if (!told_.take(piece) && !told_.empty()) quiet_until_ = fitted_until_ = piece.begin;
}

// Readings by which a renewal is looked for show the same again and again.
void GpuFloor::take_power(Nanoseconds time, double watts, Time known) {
  if (!shown_.empty() && time < shown_.back().time + kGuess) return;
  shown_.push_back({time, watts, known});
  last_known_ = known;
  while (shown_.back().time - shown_.front().time > kMostKept) shown_.pop_front();
}

Nanoseconds GpuFloor::needs_from() const { return std::min(quiet_until_, fitted_until_) - window_ - kSecond; }

void GpuFloor::learn(const EnergyCurve& curve, FloorLearner& learner) {
  if (told_.empty() || curve.points().size() < 2) return;
  if (window_ > 0) {
    learn_quiet_power(learner);
  } else {
    learn_quiet(curve, learner);
  }
  learn_work(curve, learner);
  told_.forget_before(needs_from());
}

void GpuFloor::learn_quiet(const EnergyCurve& curve, FloorLearner& learner) {
  const auto& points = curve.points();
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& begin = points[i - 1];
    const auto& end = points[i];
    if (begin.time < quiet_until_) continue;
    const Nanoseconds around = kSlack + told_.last().blur;
    if (end.time + around > told_.end()) return;
    quiet_until_ = end.time;
    if (end.sight != Sight::observed) continue;
    learn_mean(static_cast<double>(end.total - begin.total) * 1e3 / static_cast<double>(end.time - begin.time),
               begin.time, end.time, Time::placed, learner);
    if (!told_.is_quiet(begin.time - around, end.time + around)) continue;
    const auto state = state_in(begin.time, end.time);
    quiet_in(state).add(static_cast<double>(end.total - begin.total) * 1e3, end.time - begin.time, kGlimpse, state,
                        learner);
  }
}

// A reading in the very moment of a renewal can be taken for the one before or after, and its step for half or twice
// as steep: of some steps the middle one is sound.
void GpuFloor::Quiet::add(double nanojoules, Nanoseconds length, Nanoseconds glimpse, FloorLearner::State state,
                          FloorLearner& learner) {
  watts.push_back(nanojoules / static_cast<double>(length));
  lasted += length;
  if (lasted < glimpse) return;
  const auto middle = watts.begin() + static_cast<std::ptrdiff_t>(watts.size() / 2);
  std::ranges::nth_element(watts, middle);
  learner.note_glimpse(*middle * watt, state);
  if (lasted < kEnough) return;
  learner.note_quiet(*middle * static_cast<double>(lasted) * 1e-9 * joule, lasted, state);
  *this = {};
}

// A curve of power is straight between the middles of its means, and wider than they are: each is taken by itself.
void GpuFloor::learn_quiet_power(FloorLearner& learner) {
  const Nanoseconds around = window_ / 2 + (window_ > kLongMean ? kMeanSlack : kSlack) + told_.last().blur;
  for (; !shown_.empty() && shown_.front().time + around <= told_.end(); shown_.pop_front()) {
    const auto [time, watts, known] = shown_.front();
    const Nanoseconds length = std::min(time - std::exchange(quiet_until_, time), kLongestStep);
    if (length <= 0) continue;
    learn_mean(watts, time - window_ / 2, time + window_ / 2, known, learner);
    if (!told_.is_quiet(time - around, time + around)) continue;
    const auto state = state_in(time - around, time + around);
    quiet_in(state).add(watts * static_cast<double>(length), length, 0, state, learner);
  }
}

// A mean is set against the work in all of its window, of which the ends are doubtful.
void GpuFloor::learn_mean(double watts, Nanoseconds from, Nanoseconds to, Time known, FloorLearner& learner) const {
  // A guess moves a long mean's share of work evenly, and shows in the line; in a short one it may be anything.
  const bool is_guessed = known == Time::guessed;
  const Nanoseconds slack = (is_guessed && window_ <= kLongMean ? kGuess : kSlack) + told_.last().blur;
  if (from - slack < told_.begin() || to + slack > told_.end()) return;
  const ToldWork::Part at_begin = told_.until(from), at_end = told_.until(to);
  const double worked = at_end.worked - at_begin.worked;
  const auto length = static_cast<double>(to - from);
  const double utilisation = std::clamp(worked / length, 0.0, 1.0);
  learner.note_pair(utilisation, state_in(from, to), [&]() -> PowerPoint {
    const auto more_worked = [&](Nanoseconds later) {
      return told_.until(to + later).worked - told_.until(from + later).worked - worked;
    };
    const double by_time = std::max(std::abs(more_worked(slack)), std::abs(more_worked(-slack)));
    const double by_place = std::hypot(at_begin.doubt, at_end.doubt);
    // How much a guess that is off moves it, and how unevenly.
    const bool is_shifted = is_guessed && window_ > kLongMean;
    const double later = is_shifted ? more_worked(kGuess) : 0;
    const double sooner = is_shifted ? more_worked(-kGuess) : 0;
    return {.watts = watts,
            .utilisation = utilisation,
            .doubt = std::hypot(kResolution, std::hypot(by_time, by_place, later + sooner) / length),
            .per_second_late = (later - sooner) / 2 / length * kSecond / kGuess};
  });
}

void GpuFloor::learn_work(const EnergyCurve& curve, FloorLearner& learner) {
  const auto& points = curve.points();
  for (const auto& [piece, worked_before] : told_.all()) {
    if (piece.begin < fitted_until_) continue;
    const Nanoseconds around = curve_window_ / 2 + std::max(piece.blur, kSecond / 5);
    if (piece.end + around > std::min(told_.end(), points.back().time)) return;
    fitted_until_ = piece.end;
    if (piece.begin - around < std::max(told_.begin(), points.front().time)) continue;
    const Nanoseconds middle = piece.begin + (piece.end - piece.begin) / 2;
    const Nanoseconds from = piece.blur > 0 ? middle - kBlur / 2 : piece.begin;
    const Nanoseconds to = piece.blur > 0 ? middle + kBlur / 2 : piece.end;
    if (curve.observed(from, to) < to - from) continue;
    const double microjoules = static_cast<double>(curve.between(from, to));
    const double length = static_cast<double>(piece.end - piece.begin);
    const auto state = piece.is_ready ? FloorLearner::State::ready : FloorLearner::State::resting;
    const double watts = microjoules / static_cast<double>(to - from) * 1e3;
    const double utilisation = utilisation_as_seen(piece, curve);
    learner.note_draw(watts * length * 1e-9 * joule, piece.end - piece.begin, utilisation, state);
    if (curve_window_ <= kLongMean && last_known_ == Time::placed)
      learner.note_pair({.watts = watts, .utilisation = utilisation, .doubt = kPieceDoubt}, state);
  }
}

// A counter's curve is straight between its renewals: so is the work that it shows.
double GpuFloor::worked_as_seen_by(Nanoseconds time, const EnergyCurve& curve) const {
  const auto& points = curve.points();
  const auto next = std::ranges::upper_bound(points, time, {}, &EnergyCurve::Point::time);
  if (next == points.begin() || next == points.end()) return told_.until(time).worked;
  const Nanoseconds from = (next - 1)->time, to = next->time;
  const double part = static_cast<double>(time - from) / static_cast<double>(to - from);
  return std::lerp(told_.until(from).worked, told_.until(to).worked, part);
}

double GpuFloor::utilisation_as_seen(const Activity::Piece& piece, const EnergyCurve& curve) const {
  const auto length = static_cast<double>(piece.end - piece.begin);
  if (piece.blur > 0) return std::min(1.0, static_cast<double>(piece.worked) / length);
  if (curve_window_ <= 0) {
    const double worked = worked_as_seen_by(piece.end, curve) - worked_as_seen_by(piece.begin, curve);
    return std::clamp(worked / length, 0.0, 1.0);
  }
  double sum = 0;
  const Nanoseconds half = curve_window_ / 2;
  for (Nanoseconds i = 0; i < kLooks; ++i) {
    const Nanoseconds at = piece.begin + (2 * i + 1) * (piece.end - piece.begin) / (2 * kLooks);
    sum += (told_.until(at + half).worked - told_.until(at - half).worked) / static_cast<double>(2 * half);
  }
  return std::clamp(sum / static_cast<double>(kLooks), 0.0, 1.0);
}

}  // namespace everywatt
