// A sensor that sees 25 of every 100 ms (arXiv 2312.02741) is as good as chance
// lets it be, unless the load repeats in step with it: then it sees the same part
// of every repetition, and however long one measures the rest stays hidden. Found
// from the power itself: the readings are folded at the period with which they
// repeat, and what lies between neighbours of the fold was never seen. A load in
// full step shows as constant power; that it is none shows in the utilisation, or
// in the steps that the job marks: what of them no window fell on is not known,
// however constant the rest looks.
#pragma once
#include <optional>
#include <vector>

#include "base/clock.h"
#include "meter/step_fold.h"

namespace everywatt {

class Aliasing {
 public:
  // What a stretch of readings tells, in watts of their mean, beyond what single readings tell.
  struct Verdict {
    bool repeats = false;       // else its readings are as drawn by chance
    double standard_error = 0;  // of the mean, where it repeats
    double possible_error = 0;  // by which the mean can be off because parts are never seen
  };

  struct Sensor {
    Nanoseconds period = 0;
    Nanoseconds window = 0;
    double most = 0;  // watts that the device cannot exceed
  };
  explicit Aliasing(Sensor sensor)
      : period_{static_cast<double>(sensor.period)},
        window_{sensor.window},
        most_{sensor.most},
        steps_{sensor.period} {}

  // Each renewal of the sensor, by the middle of its window, and each reading of the utilisation, 0 to 1.
  enum class Time { placed, guessed };
  void take(Nanoseconds time, double watts, Time how = Time::guessed);
  void take_utilisation(double share);
  // A step of the job ended, as it says itself; it may come after the readings of then.
  void take_step(Nanoseconds end) { steps_.take(end); }

  // Enough for a verdict, and so much that it is time for one.
  static constexpr std::size_t kFewest = 64;
  static constexpr std::size_t kBlock = 1024;
  [[nodiscard]] bool is_full() const { return readings_.size() >= kBlock; }
  [[nodiscard]] std::size_t size() const { return readings_.size(); }

  // Of the readings since the last start_anew().
  [[nodiscard]] Verdict judge() const;
  void start_anew();

 private:
  struct Reading {
    double number = 0;  // of the renewal, counted from the first
    double watts = 0;
    std::optional<double> utilisation = {};  // as last told
    Nanoseconds time = 0;
    Time how = Time::guessed;
  };
  struct PartialWork {
    double mean = 0;
    bool comes_and_goes = false;  // by more than its steps, or again and again in the same way
  };
  [[nodiscard]] std::optional<PartialWork> partial_work() const;
  [[nodiscard]] Verdict hidden_part(double watts, double work) const;
  [[nodiscard]] Verdict judge_constant(double watts) const;
  [[nodiscard]] Verdict judge_repeating(double mean, double variance) const;
  [[nodiscard]] bool follows_utilisation(double mean, double variance) const;
  [[nodiscard]] Verdict judge_by_power(double mean, double variance) const;
  [[nodiscard]] double lowest_beside(double watts) const;
  [[nodiscard]] double hidden_in_steps(double mean, double variance) const;
  [[nodiscard]] double unseen_in_fold(double mean, double variance, Nanoseconds window) const;

  double period_;
  Nanoseconds window_;
  double most_;
  StepFold steps_;
  std::optional<double> lowest_ = {};  // watts, of all that was ever read
  std::optional<double> utilisation_ = {};
  Nanoseconds last_ = 0;
  std::vector<Reading> readings_;
};

}  // namespace everywatt
