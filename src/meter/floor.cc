#include "meter/floor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/median.h"

namespace everywatt {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"envelope", "regression", "other-state", "prior"};

constexpr double kQuietBelow = 0.02;   // utilisation up to which a stretch counts as quiet
constexpr double kQuietSeconds = 2.0;  // of quiet that make one observation of the envelope
constexpr double kPerSecond = 1e9;     // nanoseconds
constexpr std::size_t kFewest = 6;     // observations for a line
constexpr double kTickDoubt = 0.02;    // of utilisation: a tick of /proc/stat in half a second
constexpr std::size_t kMostKept = 96;
constexpr double kFewNew = 0.25;  // of all
// Where nothing was learnt, a device that is wholly at work is taken to draw twice
// its floor: the floor lies anywhere between nothing and that draw, and the middle
// errs least. Flagged as prior.
constexpr double kPriorRise = 1.0;

}  // namespace

std::string_view to_string(FloorMethod method) { return kNames[static_cast<std::size_t>(method)]; }

std::optional<FloorMethod> parse_floor_method(std::string_view text) {
  const auto found = std::ranges::find(kNames, text);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<FloorMethod>(found - kNames.begin());
}

void FloorLearner::Quiet::add(double more_joules, double more_seconds) {
  joules += more_joules;
  seconds += more_seconds;
  if (seconds < kQuietSeconds) return;
  const double watts = joules / seconds;
  lowest_watts = windows++ == 0 ? watts : std::min(lowest_watts, watts);
  interrupt();
}

void FloorLearner::observe(Energy energy, Nanoseconds length, double utilisation, State state) {
  if (length <= 0) return;
  if (utilisation <= kQuietBelow) {
    note_quiet(energy, length, state);
  } else {
    ready_.interrupt();
    resting_.interrupt();
  }
  note_draw(energy, length, utilisation, state);
  short_.add(energy / joule, static_cast<double>(length) / kPerSecond, utilisation);
  if (short_.seconds * kPerSecond < static_cast<double>(stretch_)) return;
  const Observation observation = short_.take();
  note_pair(observation.watts * watt, observation.utilisation, observation.doubt, state);
}

void FloorLearner::note_quiet(Energy energy, Nanoseconds length, State state) {
  Quiet& quiet = state == State::ready ? ready_ : resting_;
  quiet.add(energy / joule, static_cast<double>(length) / kPerSecond);
}

// What a device draws at rest may be less than its floor at work.
void FloorLearner::note_draw(Energy energy, Nanoseconds length, double utilisation, State state) {
  if (state == State::resting && utilisation <= kQuietBelow) return;
  whole_.add(energy / joule, static_cast<double>(length) / kPerSecond, utilisation);
  if (whole_.seconds * kPerSecond >= static_cast<double>(whole_stretch_)) note_lowest(whole_.take());
}

void FloorLearner::note_pair(Power power, double utilisation, double doubt, State state) {
  if (state == State::resting && utilisation <= kQuietBelow) return;
  keep({.watts = power / watt, .utilisation = utilisation, .doubt = doubt});
}

FloorLearner::Observation FloorLearner::Stretch::take() {
  const Observation observation{joules / seconds, busy_seconds / seconds, kTickDoubt};
  *this = {};
  return observation;
}

// Of stretches that are long enough for no error of a reading's time to matter.
void FloorLearner::note_lowest(Observation observation) {
  const double prior = prior_below(observation.watts * watt, observation.utilisation) / watt;
  lowest_watts_ = std::min(lowest_watts_.value_or(observation.watts), observation.watts);
  lowest_prior_watts_ = std::min(lowest_prior_watts_.value_or(prior), prior);
}

// A sample of all observations in which each stands with equal chance, without
// a source of chance: a multiplicative hash of its number decides.
void FloorLearner::keep(Observation observation) {
  ++seen_;
  if (observations_.size() < kMostKept) {
    observations_.push_back(observation);
    return;
  }
  const std::uint64_t slot = (seen_ * 0x9E3779B97F4A7C15u >> 20) % seen_;
  if (slot < kMostKept) observations_[slot] = observation;
}

std::optional<Floor> FloorLearner::envelope() const {
  if (ready_.windows == 0) return std::nullopt;
  return Floor{.power = ready_.lowest_watts * watt, .method = FloorMethod::envelope, .windows = ready_.windows};
}

// Theil and Sen: the median of the slopes of all pairs, which a third of
// wild observations cannot move far. Those whose utilisation is known well, and pairs that lie far apart, weigh more:
// what is known badly is as often too high as too low, which would make the line too steep or too flat.
// All pairs are many: a line that stands on nearly as many observations holds.
std::optional<Floor> FloorLearner::regression() const {
  const auto fresh = static_cast<double>(seen_ - fitted_at_);
  if (fitted_at_ == 0 || fresh > kFewNew * static_cast<double>(seen_)) {
    fitted_at_ = seen_;
    fitted_ = fit();
  }
  return fitted_;
}

std::optional<Floor> FloorLearner::fit() const {
  if (observations_.size() < kFewest) return std::nullopt;
  const auto [low, high] = std::ranges::minmax(observations_, {}, &Observation::utilisation);
  if (high.utilisation - low.utilisation < spread_) return std::nullopt;
  std::vector<Weighed> slopes;
  for (std::size_t i = 0; i < observations_.size(); ++i) {
    for (std::size_t k = i + 1; k < observations_.size(); ++k) {
      const double run = observations_[k].utilisation - observations_[i].utilisation;
      if (std::abs(run) <= spread_ / 4) continue;
      const double doubt = std::hypot(observations_[i].doubt, observations_[k].doubt);
      slopes.push_back(
          {.value = (observations_[k].watts - observations_[i].watts) / run, .weight = run * run / (doubt * doubt)});
    }
  }
  const double slope = weighted_median(std::move(slopes));
  std::vector<Weighed> intercepts;
  for (const Observation& o : observations_)
    intercepts.push_back({.value = o.watts - slope * o.utilisation, .weight = 1 / (o.doubt * o.doubt)});
  const double floor = weighted_median(std::move(intercepts));
  if (slope <= 0 || floor <= 0) return std::nullopt;  // no power that falls with work is a floor
  return Floor{.power = floor * watt, .method = FloorMethod::regression, .windows = seen_};
}

Power FloorLearner::prior_below(Power draw, double utilisation) { return (1 / (1 + kPriorRise * utilisation)) * draw; }

Floor FloorLearner::best() const {
  if (const auto quiet = envelope()) {
    // What an earlier run saw lower is nearer to the floor.
    if (before_.method == FloorMethod::envelope && before_.power < quiet->power) return before_;
    return *quiet;
  }
  if (before_.method == FloorMethod::envelope) return before_;
  if (glimpse_) return {.power = *glimpse_, .method = FloorMethod::envelope};
  if (const auto line = regression()) return *line;
  const auto rest = at_rest();
  if (before_.method == FloorMethod::regression || !rest) return before_;
  return Floor{.power = *rest, .method = FloorMethod::other_state, .windows = resting_.windows};
}

std::optional<Power> FloorLearner::at_rest() const {
  if (resting_.windows > 0) return resting_.lowest_watts * watt;
  return resting_glimpse_;
}

Floor FloorLearner::now() const {
  Floor floor = best();
  // A line that goes below what was seen at rest is too steep.
  if (const auto rest = at_rest(); rest && floor.method == FloorMethod::regression)
    floor.power = std::max(floor.power, *rest);
  if (!lowest_watts_ || !lowest_prior_watts_) return floor;
  if (floor.method == FloorMethod::prior) floor.power = std::max(floor.power, *lowest_prior_watts_ * watt);
  floor.power = std::min(floor.power, *lowest_watts_ * watt);  // no device draws less than its floor
  return floor;
}

}  // namespace everywatt
