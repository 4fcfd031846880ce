// The floor of a GPU from what its sensor shows and its driver tells.
#include "meter/gpu_floor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace everywatt {
namespace {

constexpr Nanoseconds kSixth = kSecond / 6;

// Work in square waves, and what a GPU of these floors draws.
struct Waves {
  double period = 1.4;  // seconds
  double duty = 0.55;
  double floor = 60;
  double high = 380;

  // Seconds of work before a time.
  [[nodiscard]] double worked(double time) const {
    const double turns = std::floor(time / period);
    return (turns * duty + std::min(time / period - turns, duty)) * period;
  }
  [[nodiscard]] double mean_watts(double from, double to) const {
    return floor + (high - floor) * (worked(to) - worked(from)) / (to - from);
  }
};

// So many seconds through a sensor that shows the mean over `window`, renewed ten times a second; its readings are
// taken for `late` seconds later than they are.
Floor learnt(const Waves& waves, double window, double seconds, bool is_ready_when_quiet = false, double late = 0) {
  GpuFloor gpu{static_cast<Nanoseconds>(window * 1e9)};
  FloorLearner learner{{}, FloorLearner::kStretch, 2 * kSecond, 0.03};
  EnergyCurve curve;
  double joules = 0, before = 0;
  for (int i = 0; i < static_cast<int>(seconds * 60); ++i) {
    const double time = i / 60.0;
    if (i % 6 == 0 && time >= window) {
      const double watts = waves.mean_watts(time - window, time), middle = time - window / 2;
      if (before > 0) joules += watts * (middle - before);
      before = middle;
      const auto at = static_cast<Nanoseconds>((middle + late) * 1e9);
      curve.append(at, static_cast<MicroJoules>(joules * 1e6));
      gpu.take_power(at, watts, late == 0 ? GpuFloor::Time::placed : GpuFloor::Time::guessed);
    }
    if (i % 10 == 9) {
      const double end = (i + 1) / 60.0, begin = end - 1 / 6.0;
      const double work = std::round((waves.worked(end) - waves.worked(begin)) * 600) / 600;
      gpu.take({.begin = static_cast<Nanoseconds>(begin * 60 + 0.5) * (kSixth / 10),
                .end = static_cast<Nanoseconds>(end * 60 + 0.5) * (kSixth / 10),
                .worked = static_cast<Nanoseconds>(work * 1e9),
                .is_ready = is_ready_when_quiet || work > 0});
    }
    if (i % 60 == 59) gpu.learn(curve, learner);
  }
  return learner.now();
}

TEST(GpuFloor, IsFittedThroughAMeanOverASecondThatNeverShowsIt) {
  for (const double period : {1.3, 1.4, 1.7, 2.3}) {
    const Floor floor = learnt({.period = period, .duty = 0.6}, 1.0, 12);
    EXPECT_EQ(floor.method, FloorMethod::regression);
    EXPECT_NEAR(floor.power / watt, 60, 1.8) << period;
  }
}

TEST(GpuFloor, IsFittedWhereItIsNotKnownWhenTheSensorIsRenewed) {
  for (const double late : {-0.045, 0.02, 0.045}) {
    const Floor floor = learnt({.period = 1.7, .duty = 0.6}, 1.0, 12, false, late);
    EXPECT_EQ(floor.method, FloorMethod::regression);
    EXPECT_NEAR(floor.power / watt, 60, 1.8) << late;
  }
}

TEST(GpuFloor, IsFittedWhereThePeriodOfTheLoadNearlyDividesTheSecond) {
  const Floor floor = learnt({.period = 0.97, .duty = 0.5}, 1.0, 12);
  EXPECT_EQ(floor.method, FloorMethod::regression);
  EXPECT_NEAR(floor.power / watt, 60, 3);
}

TEST(GpuFloor, IsNoneWhereAMeanNeverMoves) {
  EXPECT_EQ(learnt({.period = 0.5, .duty = 0.5}, 1.0, 12).method, FloorMethod::prior);
}

TEST(GpuFloor, APauseCountsAmongMinutesOfWorkThatNeverChanges) {
  FloorLearner learner{{}, FloorLearner::kStretch, 2 * kSecond, 0.03};
  const auto note = [&](double utilisation) {
    learner.note_pair({.watts = 60 + 300 * utilisation, .utilisation = utilisation, .doubt = 0.006}, {});
  };
  for (int i = 0; i < 5000; ++i) note(1);
  EXPECT_EQ(learner.now().method, FloorMethod::prior);
  for (int i = 0; i < 20; ++i) note(i / 20.0);
  EXPECT_NEAR(learner.now().power / watt, 60, 0.1) << "it counts at once";
  for (int i = 0; i < 5000; ++i) note(1);
  EXPECT_NEAR(learner.now().power / watt, 60, 0.1);
}

TEST(GpuFloor, ALineHoldsUntilHalfOfItsPointsAreNewOrTheRunEnds) {
  FloorLearner learner{{}, FloorLearner::kStretch, 2 * kSecond, 0.03};
  const auto note = [&](int i, double floor) {
    learner.note_pair({.watts = floor + 300 * (i % 10) / 10.0, .utilisation = (i % 10) / 10.0, .doubt = 0.01}, {});
  };
  for (int i = 0; i < 20; ++i) note(i, 60);
  EXPECT_NEAR(learner.now().power / watt, 60, 0.01);
  for (int i = 0; i < 15; ++i) note(i, 62);
  EXPECT_NEAR(learner.now().power / watt, 60, 0.01) << "15 of 35";
  learner.finish();
  EXPECT_NEAR(learner.now().power / watt, 61, 0.5);
}

TEST(GpuFloor, IsSeenInOneReadingOfAPauseThatIsLongerThanItsWindow) {
  const Floor ready = learnt({.period = 1.4, .duty = 0.6}, 0.1, 5, true);
  EXPECT_EQ(ready.method, FloorMethod::envelope);
  EXPECT_NEAR(ready.power / watt, 60, 0.1);
}

TEST(GpuFloor, ALineIsNotBelowWhatIsSeenAtRest) {
  FloorLearner learner{{}};
  for (int i = 0; i < 20; ++i) learner.note_pair({20 + 100 * (i % 5) / 5.0, 0.5 + 0.1 * (i % 5), 0.01}, {});
  EXPECT_EQ(learner.now().power / watt, 0) << "a line that begins below nothing is none";
  learner.note_glimpse(35.0 * watt, FloorLearner::State::resting);
  EXPECT_NEAR(*learner.at_rest() / watt, 35, 1e-9);
  EXPECT_EQ(learner.now().method, FloorMethod::other_state);
  for (int i = 0; i < 20; ++i) learner.note_pair({30 + 40.0 * (i % 5) / 5.0, 0.2 * (i % 5), 0.01}, {});
  EXPECT_EQ(learner.now().method, FloorMethod::regression);
  EXPECT_NEAR(learner.now().power / watt, 35, 1e-9);
}

// Of an H100 whose limit is 700 W.
TEST(GpuFloor, WithoutAPauseItIsWhatSuchGpusDrawWhereWorkCanHaveDrawnTheRest) {
  const auto prior = [](double watts, double utilisation) {
    return FloorLearner::prior_below(watts * watt, utilisation, 1050.0 * watt) / watt;
  };
  EXPECT_NEAR(prior(400, 0.6), 119, 0.1);
  EXPECT_NEAR(prior(400, 1), 119, 0.1);
  EXPECT_NEAR(prior(300, 0.02), (300 - 0.02 * 1050) / 0.98, 0.1) << "so little work cannot draw more";
  EXPECT_NEAR(prior(90, 0.6), 90 / 1.6, 0.1) << "less is drawn at all";
  EXPECT_EQ(prior(300, 0), 300);
}

TEST(GpuFloor, WhereWorkLiesIsKnownBestAtItsEdgesSoThatDoubtfulReadingsDoNotTiltTheLine) {
  FloorLearner learner{{}, FloorLearner::kStretch, kSecond, 0.03};
  for (int i = 0; i < 30; ++i) {
    const double utilisation = i % 2 == 0 ? 0.4 : 0.6;
    learner.note_pair({60 + 300 * utilisation, utilisation, 0.004}, {});
    // What is known badly errs towards the middle, and there is more of it.
    learner.note_pair({60 + 300 * utilisation, 0.5 + (utilisation - 0.5) / 2, 0.05}, {});
    learner.note_pair({60 + 300 * utilisation, 0.5 + (utilisation - 0.5) / 3, 0.05}, {});
  }
  EXPECT_NEAR(learner.now().power / watt, 60, 1);
}

}  // namespace
}  // namespace everywatt
