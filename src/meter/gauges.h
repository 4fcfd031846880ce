// How devices fared over a run, beside what they drew: of what has a value at
// each moment (clocks, temperatures) the mean over time and the extremes, of
// what is counted (bytes, time that the clocks were held back) the sum since a
// device was first read. Nothing here touches energy.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "meter/channel_meter.h"
#include "model/counter.h"
#include "model/device.h"
#include "model/run.h"

namespace everywatt {

// One quantity of one device. What was not looked at for longer than
// kLongestSilence is not known and not bridged, but for counters, which count on.
class Gauge {
 public:
  static constexpr Nanoseconds kLongestSilence = 5 * kSecond;

  // What one reading says of the time before it: of a share its seconds, of a rate or a tally what was counted.
  struct Step {
    Nanoseconds from = 0;
    Nanoseconds to = 0;
    double amount = 0;
  };

  explicit Gauge(QuantityChannel channel);
  // Times ascend. `since`: when its device was first read. Of a gauge, and where nothing is known: none.
  std::optional<Step> take(Nanoseconds time, std::uint64_t raw, Nanoseconds since);

  [[nodiscard]] const QuantityChannel& channel() const { return channel_; }
  [[nodiscard]] QuantityRecord record() const;

 private:
  struct Last {
    Nanoseconds time = 0;
    std::uint64_t raw = 0;
  };
  std::optional<double> count(Nanoseconds time, std::uint64_t raw);  // raw, that were counted since the last reading
  bool weigh(Nanoseconds length, double raw);                        // whether it is known
  [[nodiscard]] double in_units(double raw) const;

  QuantityChannel channel_;
  Counter counter_;
  std::optional<Last> last_;
  double sum_ = 0;  // raw × ns; of a tally raw
  std::uint64_t least_ = 0;
  std::uint64_t most_ = 0;
  Nanoseconds observed_ = 0;
};

class Gauges {
 public:
  // `inventories` are those of before and what came since.
  void add_sources(std::span<const Inventory* const> inventories);
  // Whether the reading is of a quantity: then it is kept here.
  bool take(std::size_t source, Stamp stamp, const Reading& reading);
  // What came since the last call, of quantities that are told by phase.
  struct Told {
    std::size_t source = 0;
    std::size_t gauge = 0;
    Gauge::Step step = {};
  };
  template <class Tell>
  void tell_steps(const Tell& tell) {
    for (const Told& told : steps_) tell(told);
    steps_.clear();
  }
  [[nodiscard]] const QuantityChannel& channel_of(const Told& told) const {
    return sources_[told.source].gauges[told.gauge].channel();
  }
  [[nodiscard]] std::vector<QuantityRecord> records(std::string_view device) const;

 private:
  struct OfSource {
    std::size_t channels = 0;  // that are before the quantities
    std::vector<Gauge> gauges = {};
    std::optional<Nanoseconds> since = {};  // first read
  };
  std::vector<OfSource> sources_;
  std::vector<Told> steps_;
};

}  // namespace everywatt
