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
bool disagree(const ChannelMeter::Mean& elected, const ChannelMeter::Mean& other) {
  if (std::min(elected.length, other.length) < kShortestComparison) return false;
  if (elected.not_observed + other.not_observed > 0) return false;
  const double by_chance = 2 * std::hypot(elected.uncertainty, other.uncertainty);
  return std::abs(other.watts - elected.watts) > kDisagreement * elected.watts + by_chance;
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
  if (meters_.empty() || !booking_) {
    if (!record.reason) record.reason = "not measured yet";
    return record;
  }
  const Channel& channel = elected().candidate.channel;
  record.method = channel.method;
  record.sensor = channel.sensor;
  record.correlation = channel.sensor;
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
  if (!elected().sensor) return;
  const auto measured = static_cast<double>(booked_.measured());
  if (const double error = elected().sensor->aliasing_error(); error > kAliased * measured)
    add(fmt::format("aliasing:{:.0f}%", 100 * error / measured));
}

// With the elected one, where that is a sensor.
void DeviceBooks::compare_sensors(DeviceRecord& record) const {
  if (!elected().sensor) return;
  for (const Meter& meter : meters_) {
    if (!meter.sensor || &meter == &elected()) continue;
    const ChannelMeter::Mean mine = elected().sensor->mean(), other = meter.sensor->mean();
    if (!meter.sensor->sees_part() && disagree(mine, other)) add_flag(record.flags, "sensor-disagreement");
    if (std::min(mine.length, other.length) >= kShortestComparison && mine.watts > 0)
      record.checks.push_back({.sensor = meter.candidate.channel.sensor,
                               .ratio = other.watts / mine.watts,
                               .over = std::min(mine.length, other.length)});
  }
}

}  // namespace everywatt
