// What a GPU's curve and what its driver tells of its work say together of its floor. Both come in steps, of a tenth
// and of a sixth of a second, which end at different times. A step of the curve in which nobody worked shows the floor
// itself. Else power is set against the work that was done in the very step, or in the window of which the sensor shows
// the mean; where within a piece the work lay is not told, and by how much that matters is known of each.
#pragma once
#include <deque>
#include <vector>

#include "meter/activity.h"
#include "meter/floor.h"
#include "meter/told_work.h"
#include "model/energy_curve.h"

namespace everywatt {

class GpuFloor {
 public:
  // `window`: of time over which the power that is shown (take_power) is a mean; 0: none is, and the curve is a
  // counter's.
  enum class Curve { of_power, of_counter };  // a counter's that is read seldom, while power is read often
  explicit GpuFloor(Nanoseconds window, Curve curve = Curve::of_power)
      : window_{window}, curve_window_{curve == Curve::of_power ? window : 0} {}

  void take(const Activity::Piece& piece);
  // What a power sensor showed, at the middle of the window of which it is the mean. Placed: where that lies is known;
  // else it may be half a tick off, all the readings in the same direction.
  enum class Time { placed, guessed };
  void take_power(Nanoseconds time, double watts, Time known = Time::placed);
  // Tells the learner what can be told by now; to be called before what is from needs_from() on is forgotten.
  void learn(const EnergyCurve& curve, FloorLearner& learner);
  [[nodiscard]] const ToldWork& told() const { return told_; }
  // What the curve must still hold.
  [[nodiscard]] Nanoseconds needs_from() const;

 private:
  void learn_quiet(const EnergyCurve& curve, FloorLearner& learner);
  void learn_quiet_power(FloorLearner& learner);
  void learn_mean(double watts, Nanoseconds from, Nanoseconds to, Time known, FloorLearner& learner) const;
  void learn_work(const EnergyCurve& curve, FloorLearner& learner);
  [[nodiscard]] FloorLearner::State state_in(Nanoseconds from, Nanoseconds to) const {
    return told_.is_ready(from, to) ? FloorLearner::State::ready : FloorLearner::State::resting;
  }
  [[nodiscard]] double worked_as_seen_by(Nanoseconds time, const EnergyCurve& curve) const;
  [[nodiscard]] double utilisation_as_seen(const Activity::Piece& piece, const EnergyCurve& curve) const;

  struct Quiet {
    std::vector<double> watts = {};  // of steps
    Nanoseconds lasted = 0;
    void add(double nanojoules, Nanoseconds length, Nanoseconds glimpse, FloorLearner::State state,
             FloorLearner& learner);
  };
  [[nodiscard]] Quiet& quiet_in(FloorLearner::State state) {
    return state == FloorLearner::State::ready ? ready_ : resting_;
  }
  struct Shown {
    Nanoseconds time = 0;
    double watts = 0;
    Time known = Time::placed;
  };
  Nanoseconds window_;
  Nanoseconds curve_window_;
  std::deque<Shown> shown_;  // of a power sensor
  Time last_known_ = Time::placed;
  Quiet ready_;
  Quiet resting_;
  ToldWork told_;
  Nanoseconds quiet_until_ = 0;   // learnt up to here
  Nanoseconds fitted_until_ = 0;  // likewise
};

}  // namespace everywatt
