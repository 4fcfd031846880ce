// What is learnt of how often a counter is renewed (meter/tick_period.h), and what that makes of its readings.
#include <algorithm>
#include <cmath>
#include <utility>

#include "meter/channel_meter.h"

namespace everywatt {
namespace {

// Where the period of a register was not seen, its first step is not known to be of one: this long a stretch tells.
constexpr Nanoseconds kHead = 300 * kMillisecond;
constexpr std::size_t kMostEarly = 256;

double seconds(Nanoseconds time) { return static_cast<double>(time) / static_cast<double>(kSecond); }

}  // namespace

// True: its period is another than was taken, and what was read is placed by it.
bool ChannelMeter::take_period(Stamp stamp, std::uint64_t raw) {
  if (channel_.kind != ChannelKind::energy || !is_slow()) return false;
  if (!is_settled_) early_.push_back({stamp, raw});
  if (early_.size() > kMostEarly) settle();
  const auto before = std::exchange(shown_, raw);
  if (!period_.take(stamp.before, stamp.after, before && raw != *before)) return false;
  channel_.period = period_.period();
  phase_ = TickPhase{channel_.period, period_.error()};
  if (is_settled_) return false;
  place_anew();
  return true;
}

void ChannelMeter::place_anew() {
  ChannelMeter anew{channel_, tick_};
  anew.period_ = period_;
  anew.period_.rewind();
  anew.phase_ = phase_;
  for (const Waiting& reading : early_) anew.take(reading.stamp, reading.raw);
  *this = std::move(anew);
}

void ChannelMeter::settle() {
  if (std::exchange(is_settled_, true)) return;
  early_ = {};
  if (channel_.kind != ChannelKind::energy || !is_slow() || period_.is_seen()) return;
  variance_ += std::pow(head_watts() * seconds(period_.half_width()) * 1e6, 2) / 3;
}

// What was drawn first.
double ChannelMeter::head_watts() const {
  const auto& points = curve_.points();
  if (channel_.kind == ChannelKind::power || !is_slow() || period_.is_seen() || points.size() < 2)
    return first_watts_.value_or(0);
  const Nanoseconds begin = points.front().time;
  const Nanoseconds end = std::min(begin + kHead, points.back().time);
  return static_cast<double>(curve_.between(begin, end)) / 1e6 / seconds(end - begin);
}

}  // namespace everywatt
