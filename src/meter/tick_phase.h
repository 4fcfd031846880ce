// When a register is renewed that is renewed every so often: found from readings
// so dense that one of them is the first to show a new value, carried on from there
// by the period, which every further sight makes more exact. So a reading of a
// counter gets the time at which the counter stood there, not the time at which it
// was looked at, up to a period later.
#pragma once
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace everywatt {

class TickPhase {
 public:
  // `nominal`: the period as it is documented; the true one may be off by `error`, a part of it.
  explicit TickPhase(Nanoseconds nominal, double error = 0.05)
      : period_{static_cast<double>(nominal)}, period_error_{error} {}

  // Every reading in turn, made some time between the two. `is_change`: it shows another value than the one before.
  void take(Nanoseconds before, Nanoseconds after, bool is_change);
  void take(Nanoseconds time, bool is_change) { take(time, time, is_change); }
  // The last renewal at or before a reading, as far as is known.
  [[nodiscard]] std::optional<Nanoseconds> renewed(Nanoseconds time) const;
  // At least two renewals were seen.
  [[nodiscard]] bool is_known() const { return ticks_ > 0; }
  [[nodiscard]] Nanoseconds period() const { return static_cast<Nanoseconds>(period_); }
  // How exact: half of what is not known of a renewal's time; the period's half while nothing was seen.
  [[nodiscard]] Nanoseconds half_width(Nanoseconds time) const;

 private:
  struct Sight {
    Nanoseconds time = 0;
    Nanoseconds half_width = 0;
  };
  void see(Sight sight);

  double period_;
  double period_error_;                      // relative, until two sights tell
  std::optional<Nanoseconds> last_reading_;  // its begin
  std::optional<Sight> first_;
  std::optional<Sight> last_;
  double ticks_ = 0;  // between them
};

}  // namespace everywatt
