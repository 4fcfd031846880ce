#include "meter/channel_meter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace everywatt {
namespace {

// A counter keeps its joules across any silence; past this one it is no longer known when they were spent.
constexpr Nanoseconds kCounterSilence = kSecond;
// Power that was not read was not seen: past this nothing is booked.
constexpr Nanoseconds kPowerSilence = 5 * kSecond;
// Where a device's own limit is not known: more than any single device draws.
constexpr double kMostWatts = 5000;

// Between when a register is renewed and when a reading shows it, beside what is not known of its period.
constexpr Nanoseconds kRenewalDoubt = kMillisecond;
constexpr int kMostPassedOver = 3;
// A hunt is wanted where the time of a renewal is known to no more than this part of a period.
constexpr Nanoseconds kVague = 7;
// Where it is known worse than to this part of one, a reading says nothing of the steps in which it fell.
constexpr Nanoseconds kTooVague = 5;

// Of what a lagging sensor has not shown at the end, or was not read yet at the start: a load may have begun or ended
// there.
constexpr double kTailError = 0.3;

double micro_per_raw(const Scale& scale) {
  return static_cast<double>(scale.numerator) / static_cast<double>(scale.denominator);
}

double fastest(const Channel& channel) {
  const double watts = channel.most / watt;
  return (watts > 0 ? watts : kMostWatts) * 1e6 / micro_per_raw(channel.scale);
}

double seconds_between(Nanoseconds from, Nanoseconds to) {
  return static_cast<double>(to - from) / static_cast<double>(kSecond);
}

}  // namespace

ChannelMeter::ChannelMeter(Channel channel, Nanoseconds tick)
    : channel_{std::move(channel)},
      tick_{std::max(tick, channel_.spacing)},
      counter_{channel_.range, fastest(channel_)},
      period_{channel_.period},
      phase_{channel_.period} {}

void ChannelMeter::watch_aliasing() {
  if (!sees_part() || part_time_) return;
  part_time_.emplace(
      Aliasing{{.period = std::max(channel_.period, tick_), .window = channel_.window, .most = channel_.most / watt}});
}

Nanoseconds ChannelMeter::longest_silence() const {
  const Nanoseconds periods = 3 * std::max(tick_, channel_.period);
  return std::max(periods, channel_.kind == ChannelKind::energy ? kCounterSilence : kPowerSilence);
}

bool ChannelMeter::wants_hunt(Nanoseconds time) const {
  const bool is_moving = last_changed_ > 0 && last_read_ - last_changed_ < 2 * phase_.period();
  return is_slow() && is_moving && phase_.half_width(time) > phase_.period() / kVague;
}

// How old what a register shows is where its renewals have not been seen: half of
// its period, and half of the window that it averages.
Nanoseconds ChannelMeter::lag() const {
  const Nanoseconds age = is_slow() ? channel_.period / 2 : 0;
  return channel_.kind == ChannelKind::power ? age + channel_.window / 2 : age;
}

// The renewals that a reading can show: two for one in the very moment of a renewal.
ChannelMeter::Renewals ChannelMeter::renewals_at(Stamp stamp, Nanoseconds newest) const {
  const Nanoseconds read = stamp.middle();
  const Nanoseconds doubt = std::min(phase_.half_width(read) + stamp.half_width() + kRenewalDoubt, phase_.period() / 4);
  return {phase_.renewed(read - doubt).value_or(newest), phase_.renewed(read + doubt).value_or(newest)};
}

// Which of them: what was shown before can tell. None: nothing does.
std::optional<Nanoseconds> ChannelMeter::renewal_shown(Stamp stamp, Nanoseconds newest, bool is_change) const {
  const auto [early, late] = renewals_at(stamp, newest);
  if (channel_.kind != ChannelKind::energy || late - early < phase_.period() / 2) return newest;
  if (!is_change) return early;
  if (std::abs(last_time_ - early) < phase_.period() / 2) return late;
  return std::nullopt;
}

// Nothing tells: the likelier is the one that makes for the steadier power.
Nanoseconds ChannelMeter::likelier_renewal(Stamp stamp, Nanoseconds newest, std::uint64_t raw) const {
  const auto [early, late] = renewals_at(stamp, newest);
  const double joules = static_cast<double>(raw - last_raw_) * micro_per_raw(channel_.scale) / 1e6;
  const auto change = [&](Nanoseconds time) {
    return time > last_time_ ? std::abs(joules / seconds_between(last_time_, time) - last_watts_) : INFINITY;
  };
  return change(early) < change(late) ? early : late;
}

// The time that a reading stands for: of the renewal that it shows, in the middle
// of what that averages. None: that cannot be told, and the next will tell.
std::optional<Nanoseconds> ChannelMeter::place(Stamp stamp, std::uint64_t raw) {
  const Nanoseconds read = stamp.middle();
  if (!is_slow()) return read - lag();
  const bool is_change = readings_ > 0 && raw != last_raw_;
  last_read_ = read;
  if (is_change) last_changed_ = read;
  phase_.take(stamp.before, stamp.after, readings_ > 0 && raw != (waiting_ ? waiting_->raw : last_raw_));
  const auto newest = phase_.renewed(read);
  is_last_placed_ = newest.has_value();
  if (!newest) return read - lag();
  const auto shown = renewal_shown(stamp, *newest, is_change);
  const bool comes_soon = channel_.spacing == 0;  // the next reading, which may tell
  if (!shown && comes_soon && curve_.points().size() > 1 && ++passed_over_ <= kMostPassedOver) return std::nullopt;
  passed_over_ = 0;
  const Nanoseconds renewed = shown ? *shown : likelier_renewal(stamp, *newest, raw);
  const Nanoseconds middle = channel_.kind == ChannelKind::power ? channel_.window / 2 : 0;
  // The first reading was of the renewal before the first that was seen.
  if (is_change && curve_.points().size() == 1 && total_ == 0) {
    curve_ = EnergyCurve{};
    last_time_ = renewed - phase_.period() - middle;
    curve_.append(last_time_, 0);
  }
  // One that is seen to be new is a renewal on, however the period is rounded.
  const Nanoseconds placed = renewed - middle;
  return is_change ? std::max(placed, std::min(last_time_ + phase_.period() / 2, read - middle)) : placed;
}

void ChannelMeter::reach_back(Nanoseconds begin) {
  if (curve_.points().size() < 2 || !first_watts_) return;
  const double unseen = head_watts() * seconds_between(begin, curve_.points().front().time) * 1e6;
  variance_ += std::pow(unseen * kTailError, 2);
  curve_.reach_back(begin, std::llround(unseen));
}

// Of what was shown last, over a period at least: a renewal that is placed badly makes a short step steep.
double ChannelMeter::tail_watts() const {
  const Nanoseconds from = std::max(first_time_, last_time_ - channel_.period);
  const auto& points = curve_.points();
  if (channel_.kind == ChannelKind::power || points.size() < 2 || from >= last_time_) return last_watts_;
  if (points[points.size() - 2].time <= from) return last_watts_;
  return static_cast<double>(curve_.between(from, last_time_)) / 1e6 / seconds_between(from, last_time_);
}

void ChannelMeter::finish(Nanoseconds until) {
  if (const auto waiting = std::exchange(waiting_, std::nullopt))
    take_placed(waiting->stamp, likelier_renewal(waiting->stamp, last_time_, waiting->raw), waiting->raw);
  if (part_time_) part_time_->verdict = part_time_->aliasing.judge();
  if (readings_ < 2 || lag() == 0 || last_time_ >= until || until - last_time_ > 3 * lag()) return;
  const Nanoseconds shown = last_time_ + (channel_.kind == ChannelKind::power ? channel_.window / 2 : 0);
  const double watts = tail_watts();
  const double unseen = watts * std::max(seconds_between(shown, until), 0.0) * 1e6;
  const double more = tiles_.empty() ? watts * seconds_between(last_time_, until) * 1e6
                                     : std::max(0.0, tiles_.back().microjoules + unseen - static_cast<double>(total_));
  // What was drawn since the last renewal is likely, not seen; what its mean held before it is.
  variance_ += std::pow((tiles_.empty() ? more : unseen) * kTailError, 2);
  curve_.append(until, total_ + static_cast<MicroJoules>(std::llround(more)), Sight::observed);
}

void ChannelMeter::take(Stamp stamp, std::uint64_t raw) {
  if (take_period(stamp, raw)) return;
  const auto placed = place(stamp, raw);
  if (!placed) {
    waiting_ = {stamp, raw};
    return;
  }
  waiting_.reset();
  take_placed(stamp, *placed, raw);
}

void ChannelMeter::take_placed(Stamp stamp, Nanoseconds placed, std::uint64_t raw) {
  const Nanoseconds shift = stamp.middle() - placed;
  stamp = {stamp.before - shift, stamp.after - shift};
  // The same moment twice tells nothing new, nor does a counter that has not been renewed.
  const bool is_same = is_slow() && channel_.kind == ChannelKind::energy && raw == last_raw_;
  if (readings_ > 0 && (stamp.middle() <= last_time_ || is_same)) {
    ++readings_;
    return;
  }
  last_raw_ = raw;
  if (channel_.kind == ChannelKind::energy) {
    take_counter(stamp, raw);
  } else {
    take_power(stamp, raw);
  }
  last_time_ = stamp.middle();
  if (readings_ == 0) first_time_ = last_time_;
  ++readings_;
}

ChannelMeter::Doubt ChannelMeter::doubt() const {
  const double seconds = seconds_between(first_time_, last_time_) * 1e6;  // of microjoules
  return {.watts = seconds > 0 ? random_uncertainty() / seconds : 0, .not_observed = not_observed_};
}

void ChannelMeter::append(Nanoseconds time, Sight sight) {
  if (sight != Sight::observed) {
    const char* reason = sight == Sight::bridged
                             ? "not read for a while: the counter's energy is kept, its timing is not known"
                             : "not read for a while: nothing was measured";
    silences_.push_back({last_time_, time, reason});
    not_observed_ += time - last_time_;
  }
  curve_.append(time, total_, sight);
}

void ChannelMeter::take_counter(Stamp stamp, std::uint64_t raw) {
  using Kind = CounterStep::Kind;
  const Nanoseconds time = stamp.middle();
  const CounterStep step = counter_.next(time, raw);
  if (step.kind == Kind::first) {
    first_half_width_ = stamp.half_width();
    curve_.append(time, 0);
    return;
  }
  const double seconds = seconds_between(last_time_, time);
  const MicroJoules before = total_;
  raw_total_ += step.delta;
  offset_total_ += step.kind == Kind::reset ? 0 : (channel_.offset / watt) * seconds * 1e6;
  const auto counted =
      static_cast<MicroJoules>(static_cast<Wide>(raw_total_) * channel_.scale.numerator / channel_.scale.denominator);
  total_ = std::max(total_, counted + static_cast<MicroJoules>(std::llround(offset_total_)));
  const double watts = static_cast<double>(total_ - before) / 1e6 / seconds;
  edge_ = std::max(watts, last_watts_) * static_cast<double>(stamp.half_width()) / 1e3;
  if (!first_watts_) first_edge_ = watts * static_cast<double>(first_half_width_) / 1e3;
  if (step.kind == Kind::reset) {
    ++resets_;
    silences_.push_back({last_time_, time, "the counter began again: what was spent in between is not known"});
    not_observed_ += time - last_time_;
    unseen_ += last_watts_ * seconds * 1e6;
    curve_.append(time, total_, Sight::unseen);
    return;
  }
  if (step.kind == Kind::wrap) ++wraps_;
  last_watts_ = watts;
  if (!first_watts_) first_watts_ = watts;
  if (step.kind == Kind::ambiguous) {
    silences_.push_back({last_time_, time, "the counter may have gone round unseen: its energy is a lower bound"});
    curve_.append(time, total_, Sight::bridged);
    return;
  }
  append(time, time - last_time_ > longest_silence() ? Sight::bridged : Sight::observed);
}

void ChannelMeter::take_power(Stamp stamp, std::uint64_t raw) {
  const Nanoseconds time = stamp.middle();
  const double watts =
      std::max(0.0, static_cast<double>(raw) * micro_per_raw(channel_.scale) / 1e6 + channel_.offset / watt);
  if (readings_ == 0) {
    curve_.append(time, 0);
    first_watts_ = last_watts_ = before_last_watts_ = watts;
    lay_tile(time + channel_.window / 2, watts);
    return;
  }
  const double seconds = seconds_between(last_time_, time);
  const bool silent = time - last_time_ > longest_silence();
  if (silent) {
    tiles_.clear();
    unseen_ += last_watts_ * seconds * 1e6;
  } else {
    // A mean over a window stands for the window's middle, where its stamp has been put.
    power_total_ += (watts + last_watts_) / 2 * seconds * 1e6;
    total_ = std::max(total_, static_cast<MicroJoules>(std::llround(power_total_)));
    (part_time_ ? part_time_->variance : variance_) += std::pow(missed_watts(watts) * seconds * 1e6, 2);
  }
  edge_ = first_edge_ = std::max(edge_, watts * static_cast<double>(stamp.half_width()) / 1e3);
  append(time, silent ? Sight::unseen : Sight::observed);
  lay_tile(time + channel_.window / 2, watts);
  before_last_watts_ = std::exchange(last_watts_, watts);
  if (part_time_) take_part_time(time, watts, silent);
}

void ChannelMeter::take_utilisation(double share) {
  if (part_time_) part_time_->aliasing.take_utilisation(share);
}

void ChannelMeter::take_step(Nanoseconds end) {
  if (part_time_) part_time_->aliasing.take_step(end);
}

// What a stretch of readings is worth is told by all of them together.
void ChannelMeter::take_part_time(Nanoseconds time, double watts, bool is_after_silence) {
  PartTime& stretch = *part_time_;
  if (is_after_silence || stretch.aliasing.is_full()) {
    stretch.verdict = stretch.aliasing.judge();
    if (stretch.verdict.repeats) {
      stretch.standard_error += stretch.verdict.standard_error * stretch_seconds() * 1e6;
      stretch.possible_error += stretch.verdict.possible_error * stretch_seconds() * 1e6;
    } else {
      variance_ += stretch.variance;
    }
    stretch.aliasing.start_anew();
    stretch.verdict = {};
    stretch.variance = 0;
  }
  if (stretch.aliasing.size() == 0) stretch.begin = time;
  const bool is_placed = is_last_placed_ && phase_.half_width(last_read_) <= phase_.period() / kTooVague;
  stretch.aliasing.take(time, watts, is_placed ? Aliasing::Time::placed : Aliasing::Time::guessed);
  if (const auto size = stretch.aliasing.size(); size >= Aliasing::kFewest && std::has_single_bit(size))
    stretch.verdict = stretch.aliasing.judge();
}

double ChannelMeter::stretch_seconds() const { return seconds_between(part_time_->begin, last_time_); }

double ChannelMeter::aliasing_error() const {
  return part_time_ ? part_time_->possible_error + part_time_->verdict.possible_error * stretch_seconds() * 1e6 : 0;
}

// Means over a window laid end to end are the energy itself, where a curve through
// them is blurred by half a window: at the end of a run that is what counts.
void ChannelMeter::lay_tile(Nanoseconds end, double watts) {
  if (!channel_.is_long_mean()) return;
  const double window = seconds_between(0, channel_.window);
  const Nanoseconds begin = end - channel_.window;
  const auto next = std::ranges::lower_bound(tiles_, begin, {}, &Tile::end);
  Tile tile{.end = end, .microjoules = power_total_ + watts * window / 2 * 1e6};
  if (next != tiles_.begin() && next != tiles_.end()) {
    const Tile& a = *(next - 1);
    const double part = static_cast<double>(begin - a.end) / static_cast<double>(next->end - a.end);
    tile.microjoules = a.microjoules + part * (next->microjoules - a.microjoules) + watts * window * 1e6;
    // The first window alone has no tile before it: what changed within it is blurred.
    if (!std::exchange(is_tiled_, true))
      variance_ += std::pow((watts - first_watts_.value_or(watts)) * window / 6 * 1e6, 2);
  }
  tiles_.push_back(tile);
  while (tiles_.size() > 2 && tiles_[1].end < begin) tiles_.pop_front();
}

// The standard error of a trapezoid between two readings.
double ChannelMeter::missed_watts(double watts) const {
  // Where a part of the time is not seen, what was drawn there is another draw
  // from what the readings are drawn from: their difference has twice its variance.
  if (sees_part())
    return std::abs(watts - last_watts_) / std::sqrt(2.0) *
           (1 - static_cast<double>(channel_.window) / static_cast<double>(std::max(channel_.period, tick_)));
  // What is missed elsewhere shows in how the readings bend.
  return std::abs(watts - 2 * last_watts_ + before_last_watts_) / 12;
}

std::vector<Silence> ChannelMeter::take_silences() { return std::exchange(silences_, {}); }

double ChannelMeter::random_uncertainty() const {
  // Two edges, each placed within its half-width with equal chance (GUM: a / √3),
  // and one step of the counter at each.
  const double step = channel_.kind == ChannelKind::energy ? micro_per_raw(channel_.scale) : 0;
  // How old a register was is the same at both ends: what one end has too much the
  // other has too, but for the difference of what was drawn there.
  const double age = is_slow() ? seconds_between(0, phase_.half_width(last_time_)) : 0;
  const double aged = (last_watts_ - first_watts_.value_or(last_watts_)) * age * 1e6;
  // What is unseen is missing each time: it adds up.
  double variance =
      variance_ + (first_edge_ * first_edge_ + edge_ * edge_ + 2 * step * step + aged * aged + unseen_ * unseen_) / 3;
  if (part_time_) {
    const bool repeats = part_time_->verdict.repeats;
    if (!repeats) variance += part_time_->variance;
    // What was not seen once was not seen the next time either.
    const double now = repeats ? part_time_->verdict.standard_error * stretch_seconds() * 1e6 : 0;
    variance += std::pow(part_time_->standard_error + now, 2);
  }
  return std::sqrt(variance);
}

}  // namespace everywatt
