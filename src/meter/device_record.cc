// The part of a device's books that says what is known of the device so far: its
// figure and how sure it is, what was noticed, and how its other sensors compare.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "meter/device_books.h"

namespace everywatt {
namespace {

// A load that repeats in step with its sensor, so that the figure can be off by more than this part of it, is flagged.
constexpr double kAliased = 0.04;
// Two sensors of one device that differ by more than this, and than chance allows, are flagged.
constexpr double kDisagreement = 0.05;
constexpr Nanoseconds kShortestComparison = 3 * kSecond;

// By more than sound sensors do, and than the ends of so short a time can make.
bool disagree(double elected_watts, const ChannelMeter& elected, double other_watts, const ChannelMeter& other) {
  const ChannelMeter::Doubt of_elected = elected.doubt(), of_other = other.doubt();
  if (of_elected.not_observed + of_other.not_observed > 0) return false;
  const double by_chance = 2 * std::hypot(of_elected.watts, of_other.watts);
  return std::abs(other_watts - elected_watts) > kDisagreement * elected_watts + by_chance;
}

bool is_component(DeviceKind kind) {
  return kind == DeviceKind::package || kind == DeviceKind::core || kind == DeviceKind::uncore;
}

void add_flag(std::vector<std::string>& flags, std::string flag) {
  if (std::ranges::find(flags, flag) == flags.end()) flags.push_back(std::move(flag));
}

}  // namespace

void DeviceBooks::flag(std::string flag) { add_flag(flags_, std::move(flag)); }

DeviceRecord DeviceBooks::record() const {
  DeviceRecord record{.device = device_, .counted = counted_, .flags = flags_, .reason = reason_};
  record.utilisation_known = work_was_told_ && !cpus_.empty();
  if (meters_.empty() || until_ <= start_) {
    if (!record.reason) record.reason = "not measured yet";
    return record;
  }
  const Channel& channel = elected().candidate.channel;
  record.method = channel.method;
  record.sensor = channel.sensor;
  record.correlation = channel.sensor;
  if (const auto& calibration = elected().candidate.calibration) record.correction = calibration->correction();
  record.measured = booked_.measured();
  const auto measured = static_cast<double>(booked_.measured());
  record.uncertainty_systematic = std::llround(channel.systematic * measured);
  if (elected().sensor) {
    const Nanoseconds watched = std::max<Nanoseconds>(until_ - start_ - unseen_, 1);
    // What was drawn unseen is not in the figure; that it was like the rest is only likely.
    const double unseen = measured * static_cast<double>(unseen_) / static_cast<double>(watched) / std::sqrt(3.0);
    record.uncertainty_random = std::llround(std::hypot(elected().sensor->random_uncertainty(), unseen));
  }
  record.observed = observed_;
  record.busy_time = cpus_.empty() ? 0 : ours_ / static_cast<Nanoseconds>(cpus_.size());
  record.reserved_time = reserved_time_;
  add_flags(record);
  compare_sensors(record);
  return record;
}

void DeviceBooks::add_flags(DeviceRecord& record) const {
  const auto add = [&](std::string flag) { add_flag(record.flags, std::move(flag)); };
  const bool is_sliced = !device_.slices.empty();
  if (work_was_missed_ || !record.utilisation_known) add("utilisation-unknown");
  if (is_sliced) add("mig");
  if (work_was_divided_) add("divided-by-samples");
  if (work_was_missed_ && is_sliced) add("mig:by-share");
  if (!cpus_.empty() && !is_component(device_.kind) && !is_gpu()) add("proxy:cpu-time");
  if (elected().sensor && !cpus_.empty()) add("floor:" + std::string{to_string(floor().method)});
  const bool was_reset =
      std::ranges::any_of(meters_, [](const Meter& m) { return m.sensor && m.sensor->resets() > 0; });
  if (was_reset) add("counter-reset");
  if (const auto& by = elected().candidate.calibration)
    add(elected().candidate.is_calibrated_itself() ? "calibrated" : "calibrated:" + by->sensor);
  if (!elected().sensor) return;
  const auto measured = static_cast<double>(booked_.measured());
  if (const double error = elected().sensor->aliasing_error(); error > kAliased * measured)
    add(fmt::format("aliasing:{:.0f}%", 100 * error / measured));
}

// Over the same time: a mean over a second ends half a second before a counter does, and much may be drawn there.
void DeviceBooks::follow_comparisons() {
  for (Meter& meter : meters_) {
    if (!meter.sensor || !elected().sensor || &meter == &elected()) continue;
    const EnergyCurve &mine = elected().curve(), &other = meter.curve();
    if (mine.empty() || other.empty()) continue;
    const Nanoseconds from = std::max(mine.points().front().time, other.points().front().time);
    const Nanoseconds to = std::min(mine.points().back().time, other.points().back().time);
    if (to < from) continue;
    const auto both = [&](Nanoseconds time) { return Meter::Both{time, mine.at(time), other.at(time)}; };
    if (!meter.comparison) meter.comparison = {.from = both(from), .to = both(from)};
    meter.comparison->to = both(to);
  }
}

// By how it was calibrated, or because the other contradicted itself.
bool DeviceBooks::is_believed_before(const Meter& other) const {
  return is_deposed_ || (elected().candidate.is_calibrated_itself() && !other.candidate.is_calibrated_itself());
}

// With the elected one, where that is a sensor.
void DeviceBooks::compare_sensors(DeviceRecord& record) const {
  if (!elected().sensor) return;
  double apart = 0;  // of the elected one's
  for (const Meter& meter : meters_) {
    if (!meter.sensor || !meter.comparison) continue;
    const auto& [from, to] = *meter.comparison;
    const Nanoseconds over = to.time - from.time;
    if (over < kShortestComparison || to.elected <= from.elected) continue;
    const double microseconds = static_cast<double>(over) / 1e3;
    const double mine = static_cast<double>(to.elected - from.elected) / microseconds;
    const double other = static_cast<double>(to.other - from.other) / microseconds;
    if (!meter.sensor->sees_part() && disagree(mine, *elected().sensor, other, *meter.sensor)) {
      add_flag(record.flags, "sensor-disagreement");
      if (!is_believed_before(meter)) apart = std::max(apart, std::abs(other / mine - 1));
    }
    record.checks.push_back({.sensor = meter.candidate.channel.sensor, .ratio = other / mine, .over = over});
  }
  // Nobody knows which is right: what another says lies within the interval, which is two standard errors wide.
  record.uncertainty_systematic =
      std::llround(std::hypot(static_cast<double>(record.uncertainty_systematic),
                              apart / 2 * static_cast<double>(record.measured.value_or(0))));
}

}  // namespace everywatt
