// One channel's readings become an energy curve: counters by their steps,
// power by integration. Silence, wrap and reset are judged here, and what they
// cost in knowledge is kept: sight per piece, gaps, uncertainty.
#pragma once
#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "meter/aliasing.h"
#include "meter/tick_period.h"
#include "meter/tick_phase.h"
#include "model/counter.h"
#include "model/device.h"
#include "model/energy_curve.h"

namespace everywatt {

// When a reading was taken: the loop's stamps around the call.
struct Stamp {
  Nanoseconds before = 0;
  Nanoseconds after = 0;
  [[nodiscard]] Nanoseconds middle() const { return before + (after - before) / 2; }
  [[nodiscard]] Nanoseconds half_width() const { return (after - before) / 2; }
};

// A stretch that a channel did not observe, on CLOCK_MONOTONIC.
struct Silence {
  Nanoseconds from = 0;
  Nanoseconds to = 0;
  std::string reason;
};

class ChannelMeter {
 public:
  // `tick`: how often the loop means to read its channels.
  ChannelMeter(Channel channel, Nanoseconds tick);

  void take(Stamp stamp, std::uint64_t raw);
  // The curve is used from here on: what is learnt of the register later places what comes later.
  void settle();
  // The run began then, before the first that was read: what was drawn in between is taken to be as the first that was.
  void reach_back(Nanoseconds begin);
  // The run ends here: what a lagging sensor has not shown yet is taken to be as the last that it has.
  void finish(Nanoseconds until);

  [[nodiscard]] const Channel& channel() const { return channel_; }
  [[nodiscard]] const EnergyCurve& curve() const { return curve_; }
  [[nodiscard]] EnergyCurve& curve() { return curve_; }
  // A counter that shows all that was drawn up to the moment of reading: between two moments it says the same however
  // often it is read.
  [[nodiscard]] bool counts_at_once() const { return channel_.kind == ChannelKind::energy && !is_slow(); }
  // A counter that was read several times and never moved.
  [[nodiscard]] bool is_stuck() const {
    return channel_.kind == ChannelKind::energy && readings_ > 1 && raw_total_ == 0;
  }
  [[nodiscard]] std::uint64_t readings() const { return readings_; }
  [[nodiscard]] double last_watts() const { return last_watts_; }
  [[nodiscard]] Nanoseconds last_time() const { return last_time_; }
  // Whether the last reading has the time of the renewal that it shows; else that lies anywhere within a period.
  [[nodiscard]] bool is_last_placed() const { return is_last_placed_; }
  // How far the mean power of all that was seen is not known, but for the systematic part.
  struct Doubt {
    double watts = 0;              // standard uncertainty
    Nanoseconds not_observed = 0;  // of the time
  };
  [[nodiscard]] Doubt doubt() const;
  [[nodiscard]] std::uint64_t wraps() const { return wraps_; }
  [[nodiscard]] std::uint64_t resets() const { return resets_; }
  // A mean over less time than lies between two readings.
  [[nodiscard]] bool sees_part() const {
    return channel_.kind == ChannelKind::power && channel_.window > 0 &&
           channel_.window < std::max(channel_.period, tick_);
  }
  // From here on its readings are judged together (meter/aliasing.h), which costs some milliseconds now and then.
  void watch_aliasing();
  // How much of the time the device worked, at a reading of it: what tells a load that
  // repeats in step with a part-time sensor from one that is constant.
  void take_utilisation(double share);
  // A step of the job ended: parts of steps like these may be hidden from a part-time sensor.
  void take_step(Nanoseconds end);
  // By how many microjoules the figure can be off because such a load's parts were never seen.
  [[nodiscard]] double aliasing_error() const;
  // Whether readings can be given the times of the renewals that they show.
  [[nodiscard]] bool knows_renewals() const { return !is_slow() || phase_.is_known(); }
  // Whether it is known badly when the register will be renewed at `time`, and its renewals show.
  [[nodiscard]] bool wants_hunt(Nanoseconds time) const;
  // Silences since the last call.
  std::vector<Silence> take_silences();
  // Standard uncertainty in microjoules of all that was booked so far, the
  // part that shrinks with time.
  [[nodiscard]] double random_uncertainty() const;

 private:
  void take_counter(Stamp stamp, std::uint64_t raw);
  void take_power(Stamp stamp, std::uint64_t raw);
  void append(Nanoseconds time, Sight sight);
  [[nodiscard]] Nanoseconds longest_silence() const;
  // Registers that are renewed faster are read as now.
  [[nodiscard]] bool is_slow() const { return channel_.period > 10 * kMillisecond; }
  [[nodiscard]] Nanoseconds lag() const;
  [[nodiscard]] double tail_watts() const;
  [[nodiscard]] double head_watts() const;
  bool take_period(Stamp stamp, std::uint64_t raw);
  void place_anew();
  std::optional<Nanoseconds> place(Stamp stamp, std::uint64_t raw);
  struct Renewals {
    Nanoseconds early = 0;
    Nanoseconds late = 0;
  };
  [[nodiscard]] Renewals renewals_at(Stamp stamp, Nanoseconds newest) const;
  [[nodiscard]] std::optional<Nanoseconds> renewal_shown(Stamp stamp, Nanoseconds newest, bool is_change) const;
  [[nodiscard]] Nanoseconds likelier_renewal(Stamp stamp, Nanoseconds newest, std::uint64_t raw) const;
  void take_placed(Stamp stamp, Nanoseconds placed, std::uint64_t raw);
  [[nodiscard]] double missed_watts(double watts) const;
  void lay_tile(Nanoseconds end, double watts);
  void take_part_time(Nanoseconds time, double watts, bool is_after_silence);
  [[nodiscard]] double stretch_seconds() const;

  Channel channel_;
  Nanoseconds tick_;
  Counter counter_;
  TickPeriod period_;  // of counters
  TickPhase phase_;
  std::uint64_t last_raw_ = 0;
  // A reading of which it cannot be told what renewal it shows waits for the next, which makes it needless.
  struct Waiting {
    Stamp stamp;
    std::uint64_t raw = 0;
  };
  std::optional<Waiting> waiting_;
  std::vector<Waiting> early_;          // of a slow counter, all until it settled
  std::optional<std::uint64_t> shown_;  // by the last reading of one
  bool is_settled_ = false;
  int passed_over_ = 0;  // in a row
  EnergyCurve curve_;
  std::uint64_t raw_total_ = 0;  // of counters, raw units since the first reading
  double offset_total_ = 0;      // of counters, what calibration adds, microjoules
  double power_total_ = 0;       // of power, microjoules since the first reading
  MicroJoules total_ = 0;
  Nanoseconds first_time_ = 0;
  Nanoseconds first_half_width_ = 0;  // of its stamp
  Nanoseconds not_observed_ = 0;
  Nanoseconds last_time_ = 0;
  Nanoseconds last_read_ = 0;
  Nanoseconds last_changed_ = 0;  // when a reading was another than the one before
  std::optional<double> first_watts_ = {};
  double last_watts_ = 0;
  double before_last_watts_ = 0;
  double variance_ = 0;  // of integration, in square microjoules
  double unseen_ = 0;    // what was probably drawn unseen, microjoules: none of it is in the total
  // Half-widths × power, microjoules: of a counter at its first and its last reading, which its total lies between;
  // of power the most at any.
  double first_edge_ = 0;
  double edge_ = 0;
  std::uint64_t readings_ = 0;
  std::uint64_t wraps_ = 0;
  std::uint64_t resets_ = 0;
  std::vector<Silence> silences_;
  struct Tile {
    Nanoseconds end = 0;
    double microjoules = 0;  // from the first reading to there
  };
  // Of a sensor that sees a part of the time: a stretch of readings is judged as a whole.
  struct PartTime {
    Aliasing aliasing;
    Nanoseconds begin = 0;      // of the stretch
    double variance = 0;        // of it, if its readings are as drawn by chance
    Aliasing::Verdict verdict;  // on it, as of its latest readings
    double standard_error = 0;  // of the stretches before that repeat, microjoules
    double possible_error = 0;
  };
  std::optional<PartTime> part_time_;
  bool is_tiled_ = false;
  bool is_last_placed_ = true;
  std::deque<Tile> tiles_;  // of means over a long window, as far back as one
};

}  // namespace everywatt
