#include "meter/gauges.h"

#include <algorithm>
#include <limits>

namespace everywatt {
namespace {

// Fast counters go round within such a time: a fall after it may be anything, and what was counted since is all that
// is sure.
constexpr Nanoseconds kLongestTurn = kSecond;

double fastest_of(const QuantityChannel& channel) {
  return channel.fastest > 0 ? channel.fastest : std::numeric_limits<double>::infinity();
}

}  // namespace

Gauge::Gauge(QuantityChannel channel) : channel_{std::move(channel)}, counter_{channel_.range, fastest_of(channel_)} {}

std::optional<Gauge::Step> Gauge::take(Nanoseconds time, std::uint64_t raw, Nanoseconds since) {
  if (last_ && time <= last_->time) return std::nullopt;
  least_ = last_ ? std::min(least_, raw) : raw;
  most_ = last_ ? std::max(most_, raw) : raw;
  const Nanoseconds before = last_ ? last_->time : since;
  std::optional<Step> step;
  if (channel_.kind == QuantityKind::tally) {
    if (const auto counted = count(time, raw)) step = {before, time, in_units(*counted)};
  } else if (channel_.kind == QuantityKind::share || channel_.kind == QuantityKind::rate) {
    const double seconds = static_cast<double>(time - before) / 1e9;
    if (weigh(time - before, static_cast<double>(raw)))
      step = {before, time, in_units(static_cast<double>(raw)) * seconds};
  } else if (last_) {
    weigh(time - last_->time, (static_cast<double>(last_->raw) + static_cast<double>(raw)) / 2);
  }
  last_ = {time, raw};
  return step;
}

bool Gauge::weigh(Nanoseconds length, double raw) {
  if (length > kLongestSilence) return false;
  sum_ += raw * static_cast<double>(length);
  observed_ += length;
  return true;
}

std::optional<double> Gauge::count(Nanoseconds time, std::uint64_t raw) {
  CounterStep step = counter_.next(time, raw);
  if (!last_) return std::nullopt;
  const Nanoseconds length = time - last_->time;
  const bool fell = raw < last_->raw;
  if (fell && length > kLongestTurn) step = {CounterStep::Kind::reset, 0};
  if (step.kind != CounterStep::Kind::reset) {
    sum_ += static_cast<double>(step.delta);
    observed_ += length;
    return static_cast<double>(step.delta);
  }
  if (fell && static_cast<double>(raw) <= fastest_of(channel_) * static_cast<double>(length) / 1e9) {
    sum_ += static_cast<double>(raw);
  }
  return std::nullopt;
}

double Gauge::in_units(double raw) const {
  return raw * static_cast<double>(channel_.scale.numerator) / static_cast<double>(channel_.scale.denominator) / 1e6;
}

QuantityRecord Gauge::record() const {
  QuantityRecord record{.name = channel_.name, .unit = channel_.unit};
  record.observed = observed_;
  record.reason = channel_.missing;
  if (record.reason) return record;
  const bool is_mean = channel_.kind == QuantityKind::gauge || channel_.kind == QuantityKind::share;
  if (!last_ || (!is_mean && observed_ == 0)) {
    record.reason = last_ ? "read once only" : "never read";
  } else if (channel_.kind == QuantityKind::tally) {
    record.total = in_units(sum_);
  } else if (channel_.kind == QuantityKind::state) {
    record.total = in_units(sum_ / 1e9);
    record.is_sampled = true;
  } else if (channel_.kind == QuantityKind::rate) {
    record.total = in_units(sum_ / 1e9);
  } else {
    record.mean = in_units(observed_ > 0 ? sum_ / static_cast<double>(observed_) : static_cast<double>(last_->raw));
    record.least = in_units(static_cast<double>(least_));
    record.most = in_units(static_cast<double>(most_));
  }
  return record;
}

void Gauges::add_sources(std::span<const Inventory* const> inventories) {
  for (const Inventory* inventory : inventories.subspan(sources_.size())) {
    OfSource& source = sources_.emplace_back(OfSource{.channels = inventory->channels.size()});
    for (const QuantityChannel& channel : inventory->quantities) source.gauges.emplace_back(channel);
  }
}

bool Gauges::take(std::size_t source, Stamp stamp, const Reading& reading) {
  OfSource& of = sources_[source];
  if (!of.since) of.since = stamp.middle();
  if (reading.channel < of.channels || reading.channel - of.channels >= of.gauges.size()) return false;
  Gauge& gauge = of.gauges[reading.channel - of.channels];
  const auto step = gauge.take(stamp.middle(), reading.raw, *of.since);
  if (step && step->to > step->from && gauge.channel().by_phase)
    steps_.push_back({source, reading.channel - of.channels, *step});
  return true;
}

std::vector<QuantityRecord> Gauges::records(std::string_view device) const {
  std::vector<QuantityRecord> records;
  for (const OfSource& source : sources_) {
    for (const Gauge& gauge : source.gauges) {
      if (gauge.channel().device == device) records.push_back(gauge.record());
    }
  }
  return records;
}

}  // namespace everywatt
