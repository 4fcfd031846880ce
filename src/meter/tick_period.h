// How often a register is renewed that shows another value at each renewal: as it is
// documented, unless readings contradict that. What was unchanged for long is renewed
// seldomer, what changed twice within a short time more often.
#pragma once
#include <optional>

#include "base/clock.h"

namespace everywatt {

class TickPeriod {
 public:
  explicit TickPeriod(Nanoseconds nominal) : nominal_{nominal}, period_{nominal} {}

  // Every reading in turn, made some time between the two. `is_change`: it shows another value than the one before.
  // True: the period is another than was taken.
  [[nodiscard]] bool take(Nanoseconds before, Nanoseconds after, bool is_change);
  // The same readings will be told once more, from the first on.
  void rewind();

  [[nodiscard]] Nanoseconds period() const { return period_; }
  [[nodiscard]] double error() const { return error_; }  // relative: the true one is as far from it at most
  // No other period that is about as likely fits what was read.
  [[nodiscard]] bool is_seen() const;
  // Half of the range in which it lies.
  [[nodiscard]] Nanoseconds half_width() const;

 private:
  void choose();
  [[nodiscard]] Nanoseconds most() const;

  Nanoseconds nominal_;
  Nanoseconds period_;
  double error_ = 0.05;
  Nanoseconds least_ = 0;            // it was not renewed for so long
  std::optional<Nanoseconds> most_;  // it was renewed twice within so long
  struct Call {
    Nanoseconds before = 0;
    Nanoseconds after = 0;
  };
  std::optional<Call> last_;
  Call since_;                                 // the first reading of what it shows
  std::optional<Nanoseconds> before_renewal_;  // when it was not there yet
};

}  // namespace everywatt
