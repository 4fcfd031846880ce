#include "account/energy_ticks.h"

#include <algorithm>
#include <cmath>

namespace everywatt {
namespace {

constexpr Nanoseconds kMinute = 60 * kSecond;

// Of one counted device: what it was charged up to any moment.
class ChargedCurve {
 public:
  ChargedCurve(const RunRecord& record, const std::string& device, const std::vector<SeriesPoint>* curve)
      : started_{record.run.started}, ended_{record.run.ended.value_or(record.run.started).steady}, curve_{curve} {
    for (const Entry& entry : record.entries) {
      if (entry.device == device && (entry.account == Account::busy || entry.account == Account::idle))
        minutes_[entry.minute] += entry.energy;
    }
    MicroJoules sum = 0;
    for (auto& [minute, energy] : minutes_) {
      before_[minute] = sum;
      sum += energy;
    }
    whole_ = sum;
  }

  [[nodiscard]] MicroJoules until(Nanoseconds time) const {
    const std::int64_t minute = (started_.wall + (time - started_.steady)) / kMinute;
    const auto next = before_.lower_bound(minute);
    if (next == before_.end()) return whole_;
    if (next->first != minute) return next->second;
    const Nanoseconds begin = std::max(started_.steady, steady_of(minute));
    const Nanoseconds end = std::min(ended_, steady_of(minute + 1));
    return next->second + std::llround(static_cast<double>(minutes_.at(minute)) * share(begin, time, end));
  }

 private:
  [[nodiscard]] Nanoseconds steady_of(std::int64_t minute) const {
    return started_.steady + (minute * kMinute - started_.wall);
  }

  // Of the energy between begin and end: what had been drawn at `time`.
  [[nodiscard]] double share(Nanoseconds begin, Nanoseconds time, Nanoseconds end) const {
    if (time >= end) return 1;
    const double energy = drawn(end) - drawn(begin);
    if (energy > 0) return std::clamp((drawn(time) - drawn(begin)) / energy, 0.0, 1.0);
    return static_cast<double>(time - begin) / static_cast<double>(end - begin);
  }

  // The device's cumulative microjoules, linear between points.
  [[nodiscard]] double drawn(Nanoseconds time) const {
    if (curve_ == nullptr || curve_->empty()) return 0;
    const auto after = std::ranges::upper_bound(*curve_, time, {}, &SeriesPoint::time);
    if (after == curve_->begin()) return static_cast<double>(after->value);
    const SeriesPoint& left = *std::prev(after);
    if (after == curve_->end()) return static_cast<double>(left.value);
    const double part = static_cast<double>(time - left.time) / static_cast<double>(after->time - left.time);
    return static_cast<double>(left.value) + part * static_cast<double>(after->value - left.value);
  }

  Instant started_;
  Nanoseconds ended_;
  const std::vector<SeriesPoint>* curve_;
  std::map<std::int64_t, MicroJoules> minutes_, before_;
  MicroJoules whole_ = 0;
};

}  // namespace

std::vector<EnergyTick> energy_ticks(const RunRecord& record, const EnergyCurves& curves, Nanoseconds interval,
                                     Nanoseconds after) {
  std::vector<std::pair<DeviceKind, ChargedCurve>> charged;
  for (const DeviceRecord& device : record.devices) {
    if (!device.counted || !device.measured) continue;
    const auto curve = curves.find(device.device.id);
    charged.emplace_back(device.device.kind,
                         ChargedCurve{record, device.device.id, curve == curves.end() ? nullptr : &curve->second});
  }
  std::vector<EnergyTick> ticks;
  if (charged.empty() || !record.run.ended) return ticks;
  const Nanoseconds started = record.run.started.steady;
  const Nanoseconds length = record.run.ended->steady - started;
  for (Nanoseconds elapsed = (after / interval + 1) * interval; elapsed < length; elapsed += interval) {
    EnergyTick tick{.elapsed = elapsed, .total = 0, .power = {}};
    for (const auto& [kind, curve] : charged) {
      const MicroJoules until = curve.until(started + elapsed);
      const MicroJoules since = until - curve.until(started + elapsed - interval);
      tick.total += until;
      tick.power[kind] += static_cast<double>(since) / (static_cast<double>(interval) / 1e9) * (microjoule / second);
    }
    ticks.push_back(std::move(tick));
  }
  return ticks;
}

}  // namespace everywatt
