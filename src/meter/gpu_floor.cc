#include "meter/gpu_floor.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace everywatt {
namespace {

constexpr double kQuiet = 0.02;  // utilisation up to which nobody worked
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
constexpr Nanoseconds kMostKept = 8 * kSecond;     // while the curve does not come
constexpr Nanoseconds kEnough = 2 * kSecond;       // of quiet for one observation …
constexpr Nanoseconds kGlimpse = 3 * kSecond / 10;  // … and for as much as a run too short for one can have
constexpr Nanoseconds kLooks = 8;                   // at a moving mean within one piece

double share_of(const Activity::Piece& piece) {
  return static_cast<double>(piece.worked) / static_cast<double>(piece.end - piece.begin);
}

}  // namespace

void GpuFloor::take(const Activity::Piece& piece) {
  if (!told_.empty() && (piece.begin != told_.back().piece.end || !piece.is_told)) told_.clear();
  if (!piece.is_told || piece.end <= piece.begin) return;
  const double before = told_.empty() ? 0 : told_.back().worked_before + static_cast<double>(told_.back().piece.worked);
  if (told_.empty()) quiet_until_ = fitted_until_ = piece.begin;
  told_.push_back({piece, before});
  while (told_.back().piece.end - told_.front().piece.begin > kMostKept) told_.pop_front();
}

void GpuFloor::take_power(Nanoseconds time, double watts) {
  if (!shown_.empty() && time <= shown_.back().time) return;
  shown_.push_back({time, watts});
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
  while (told_.size() > 1 && told_.front().piece.end < needs_from()) told_.pop_front();
}

void GpuFloor::learn_quiet(const EnergyCurve& curve, FloorLearner& learner) {
  const auto& points = curve.points();
  for (std::size_t i = 1; i < points.size(); ++i) {
    const auto& begin = points[i - 1];
    const auto& end = points[i];
    if (begin.time < quiet_until_) continue;
    const Nanoseconds around = kSlack + told_.back().piece.blur;
    if (end.time + around > told_.back().piece.end) return;
    quiet_until_ = end.time;
    if (end.sight != Sight::observed) continue;
    learn_mean(static_cast<double>(end.total - begin.total) * 1e3 / static_cast<double>(end.time - begin.time),
               begin.time, end.time, learner);
    if (!is_quiet(begin.time - around, end.time + around)) continue;
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
  const Nanoseconds around = window_ / 2 + (window_ > kLongMean ? kMeanSlack : kSlack) + told_.back().piece.blur;
  for (; !shown_.empty() && shown_.front().time + around <= told_.back().piece.end; shown_.pop_front()) {
    const auto [time, watts] = shown_.front();
    const Nanoseconds length = std::min(time - std::exchange(quiet_until_, time), kLongestStep);
    if (length <= 0) continue;
    learn_mean(watts, time - window_ / 2, time + window_ / 2, learner);
    if (!is_quiet(time - around, time + around)) continue;
    const auto state = state_in(time - around, time + around);
    quiet_in(state).add(watts * static_cast<double>(length), length, 0, state, learner);
  }
}

// A mean is set against the work in all of its window, of which the ends are doubtful.
void GpuFloor::learn_mean(double watts, Nanoseconds from, Nanoseconds to, FloorLearner& learner) const {
  const Nanoseconds slack = kSlack + told_.back().piece.blur;
  if (from - slack < told_.front().piece.begin || to + slack > told_.back().piece.end) return;
  const auto worked = [&](Nanoseconds shift) { return part_by(to + shift).worked - part_by(from + shift).worked; };
  const auto length = static_cast<double>(to - from);
  const double by_time = std::max(std::abs(worked(slack) - worked(0)), std::abs(worked(-slack) - worked(0)));
  const double by_place = std::hypot(part_by(from).doubt, part_by(to).doubt);
  learner.note_pair(watts * watt, std::clamp(worked(0) / length, 0.0, 1.0),
                    std::hypot(kResolution, by_time / length, by_place / length), state_in(from, to));
}

void GpuFloor::learn_work(const EnergyCurve& curve, FloorLearner& learner) {
  const auto& points = curve.points();
  for (const Told& told : told_) {
    const Activity::Piece& piece = told.piece;
    if (piece.begin < fitted_until_) continue;
    const Nanoseconds around = window_ / 2 + std::max(piece.blur, kSecond / 5);
    if (piece.end + around > std::min(told_.back().piece.end, points.back().time)) return;
    fitted_until_ = piece.end;
    if (piece.begin - around < std::max(told_.front().piece.begin, points.front().time)) continue;
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
    if (window_ <= kLongMean) learner.note_pair(watts * watt, utilisation, kPieceDoubt, state);
  }
}

bool GpuFloor::is_quiet(Nanoseconds from, Nanoseconds to) const {
  if (from < told_.front().piece.begin) return false;
  return std::ranges::all_of(told_, [&](const Told& told) {
    const Activity::Piece& piece = told.piece;
    if (piece.end <= from || piece.begin >= to) return true;
    return static_cast<double>(piece.worked) <= kQuiet * static_cast<double>(piece.end - piece.begin);
  });
}

FloorLearner::State GpuFloor::state_in(Nanoseconds from, Nanoseconds to) const {
  const bool is_ready = std::ranges::all_of(
      told_, [&](const Told& told) { return told.piece.end <= from || told.piece.begin >= to || told.piece.is_ready; });
  return is_ready ? FloorLearner::State::ready : FloorLearner::State::resting;
}

// Where within a piece its work lay is not told: evenly, give or take half of what can be. Between work and quiet it is
// known: there one ends and the other begins.
GpuFloor::Part GpuFloor::part_by(Nanoseconds time) const {
  const auto next = std::ranges::upper_bound(told_, time, {}, [](const Told& told) { return told.piece.begin; });
  const auto told = next == told_.begin() ? next : next - 1;
  const Activity::Piece& piece = told->piece;
  const Nanoseconds length = piece.end - piece.begin;
  const Nanoseconds into = std::clamp(time, piece.begin, piece.end) - piece.begin;
  const Nanoseconds first = std::min(into, piece.worked);
  const Nanoseconds last = std::max<Nanoseconds>(0, into - (length - piece.worked));
  if (told != told_.begin() && told + 1 != told_.end() && piece.blur == 0) {
    const double before = share_of((told - 1)->piece), after = share_of((told + 1)->piece);
    if (before >= 1 - kQuiet && after <= kQuiet) return {told->worked_before + static_cast<double>(first), 0};
    if (before <= kQuiet && after >= 1 - kQuiet) return {told->worked_before + static_cast<double>(last), 0};
  }
  const double evenly = static_cast<double>(piece.worked) * static_cast<double>(into) / static_cast<double>(length);
  return {told->worked_before + evenly, static_cast<double>(first - last) / 2};
}

// A counter's curve is straight between its renewals: so is the work that it shows.
double GpuFloor::worked_as_seen_by(Nanoseconds time, const EnergyCurve& curve) const {
  const auto& points = curve.points();
  const auto next = std::ranges::upper_bound(points, time, {}, &EnergyCurve::Point::time);
  if (next == points.begin() || next == points.end()) return part_by(time).worked;
  const Nanoseconds from = (next - 1)->time, to = next->time;
  const double part = static_cast<double>(time - from) / static_cast<double>(to - from);
  return std::lerp(part_by(from).worked, part_by(to).worked, part);
}

double GpuFloor::utilisation_as_seen(const Activity::Piece& piece, const EnergyCurve& curve) const {
  const auto length = static_cast<double>(piece.end - piece.begin);
  if (piece.blur > 0) return std::min(1.0, static_cast<double>(piece.worked) / length);
  if (window_ <= 0) {
    const double worked = worked_as_seen_by(piece.end, curve) - worked_as_seen_by(piece.begin, curve);
    return std::clamp(worked / length, 0.0, 1.0);
  }
  double sum = 0;
  for (Nanoseconds i = 0; i < kLooks; ++i) {
    const Nanoseconds at = piece.begin + (2 * i + 1) * (piece.end - piece.begin) / (2 * kLooks);
    sum += (part_by(at + window_ / 2).worked - part_by(at - window_ / 2).worked) / static_cast<double>(window_);
  }
  return std::clamp(sum / static_cast<double>(kLooks), 0.0, 1.0);
}

}  // namespace everywatt
