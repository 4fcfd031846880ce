// The steps that a job marks, before a sensor that sees a part of the time: which parts of a step its windows fell on.
// A step of the sensor's own period, or of a simple part or multiple of it, shows it one part again and again, however
// constant all looks.
#pragma once
#include <deque>
#include <optional>
#include <span>

#include "base/clock.h"

namespace everywatt {

class StepFold {
 public:
  // `period`: of the sensor. Steps that are longer than five of it show in its readings.
  explicit StepFold(Nanoseconds period) : period_{period} {}

  // A step ended then, and the next began.
  void take(Nanoseconds end);
  void forget_before(Nanoseconds time);

  // What a reading is the mean of.
  struct Look {
    Nanoseconds middle = 0;
    double watts = 0;
  };
  struct Seen {
    double unseen = 0;  // share of a step on which no window fell
    double watts = 0;   // mean over the rest, all parts of it alike
  };
  // Of looks whose times are known. None: too few fell into steps of that kind.
  [[nodiscard]] std::optional<Seen> seen_by(std::span<const Look> looks, Nanoseconds window) const;
  // Where the sensor's period is not known to a few percent: the most that steps like these can hide from it.
  [[nodiscard]] double most_unseen(Nanoseconds window) const;
  // Whether from one reading to the next the place in a step may move on by so many steps, whole ones left out, or
  // back.
  [[nodiscard]] bool may_advance_by(double cycles) const;
  // None: too few steps that short.
  [[nodiscard]] std::optional<Nanoseconds> median() const;

 private:
  struct Range {
    double least = 0;
    double most = 0;
  };
  // Steps in so many renewals.
  [[nodiscard]] Range steps_in(int renewals, Nanoseconds step) const;
  [[nodiscard]] bool is_of_kind(Nanoseconds length) const { return length > 0 && length <= kMostPeriods * period_; }

  static constexpr Nanoseconds kMostPeriods = 5;

  Nanoseconds period_;
  std::deque<Nanoseconds> ends_;  // ascending
};

}  // namespace everywatt
