#include "meter/floor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
namespace everywatt {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"envelope", "regression", "other-state", "prior"};

constexpr double kQuietSeconds = 2.0;  // of quiet that make one observation of the envelope
constexpr double kPerSecond = 1e9;     // nanoseconds
constexpr double kTickDoubt = 0.02;    // of utilisation: a tick of /proc/stat in half a second
constexpr std::size_t kMostKept = 96;
constexpr double kFewNew = 0.15;  // of them, before there is a line
constexpr double kAllNew = 1;     // once there is one
// What a line leaves unknown of the floor, as a part of what is not known without one.
constexpr double kWorthALine = 0.5;
// Where nothing was learnt, a device that is wholly at work is taken to draw twice
// its floor: the floor lies anywhere between nothing and that draw, and the middle
// errs least. Flagged as prior.
constexpr double kPriorRise = 1.0;
// An H100 and an H200 with a context drew 17 % of their limits while nobody worked (docs/measurements); a channel's
// most is one and a half times the limit.
constexpr double kIdleOfMost = 0.17 / 1.5;

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
  note_pair(short_.take(), state);
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

PowerPoint FloorLearner::Stretch::take() {
  const PowerPoint point{.watts = joules / seconds, .utilisation = busy_seconds / seconds, .doubt = kTickDoubt};
  *this = {};
  return point;
}

// Of stretches that are long enough for no error of a reading's time to matter.
void FloorLearner::note_lowest(const PowerPoint& whole) {
  const double prior = prior_below(whole.watts * watt, whole.utilisation, most_) / watt;
  lowest_watts_ = std::min(lowest_watts_.value_or(whole.watts), whole.watts);
  lowest_prior_watts_ = std::min(lowest_prior_watts_.value_or(prior), prior);
}

std::size_t FloorLearner::bin_of(double utilisation) {
  return std::min(static_cast<std::size_t>(std::max(utilisation, 0.0) * kBins), kBins - 1);
}

// A sample in which all that was seen of utilisation stands, however rare it was: who comes takes the place of one of
// those of which there are most; among these each stands with equal chance. A multiplicative hash stands for chance.
std::optional<std::size_t> FloorLearner::place_for(double utilisation) {
  const std::size_t bin = bin_of(utilisation);
  ++seen_;
  ++seen_in_[bin];
  if (points_.size() < kMostKept) return points_.size();
  const auto fullest = static_cast<std::size_t>(std::ranges::max_element(kept_in_) - kept_in_.begin());
  const bool is_of_most = kept_in_[bin] == kept_in_[fullest];
  const std::size_t giving = is_of_most ? bin : fullest;
  std::uint64_t skip = (seen_ * 0x9E3779B97F4A7C15u >> 20) % (is_of_most ? seen_in_[bin] : kept_in_[fullest]);
  if (skip >= kept_in_[giving]) return std::nullopt;
  for (std::size_t place = 0; place < bins_.size(); ++place) {
    if (bins_[place] == giving && skip-- == 0) return place;
  }
  return std::nullopt;
}

void FloorLearner::put(std::size_t place, const PowerPoint& point) {
  if (place == points_.size()) {
    points_.emplace_back();
    bins_.emplace_back();
  } else {
    --kept_in_[bins_[place]];
  }
  points_[place] = point;
  bins_[place] = static_cast<std::uint8_t>(bin_of(point.utilisation));
  ++kept_in_[bins_[place]];
  ++fresh_;
}

std::optional<Floor> FloorLearner::envelope() const {
  if (ready_.windows == 0) return std::nullopt;
  return Floor{.power = ready_.lowest_watts * watt, .method = FloorMethod::envelope, .windows = ready_.windows};
}

// A line holds until as many points are new as it stands on, while the run goes on: windows are booked anew by the
// last.
std::optional<Floor> FloorLearner::regression() const {
  const double enough = fitted_ ? kAllNew : kFewNew;
  if (static_cast<double>(fresh_) > enough * static_cast<double>(points_.size())) {
    fresh_ = 0;
    fitted_ = fit();
  }
  return fitted_;
}

void FloorLearner::finish() {
  if (fresh_ > 0) fitted_ = fit();
  fresh_ = 0;
}

std::optional<Floor> FloorLearner::fit() const {
  if (points_.empty()) return std::nullopt;
  const auto [low, high] = std::ranges::minmax(points_, {}, &PowerPoint::utilisation);
  if (high.utilisation - low.utilisation < spread_) return std::nullopt;
  const auto line = fit_power_line(points_, spread_ / 4);
  if (!line || line->floor <= 0) return std::nullopt;  // no power below nothing is a floor
  // Without a line it lies anywhere below what is drawn.
  if (line->floor_error > kWorthALine * low.watts / std::sqrt(12.0)) return std::nullopt;
  return Floor{.power = line->floor * watt, .method = FloorMethod::regression, .windows = seen_};
}

Power FloorLearner::prior_below(Power draw, double utilisation, Power most) {
  const Power below = (1 / (1 + kPriorRise * utilisation)) * draw;
  if (most <= Power{}) return below;
  const Power beside_work = utilisation < 1 ? (1 / (1 - utilisation)) * (draw - utilisation * most) : Power{};
  return std::min(below, std::max(beside_work, kIdleOfMost * most));
}

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
