// Square waves before a sensor that sees 25 of every 100 ms.
#include "meter/aliasing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace everywatt {
namespace {

constexpr double kIdle = 60, kHigh = 360, kMost = 400;
constexpr Aliasing::Sensor kSensor{.period = 100 * kMillisecond, .window = 25 * kMillisecond, .most = kMost};

// A load of `period` ms that works for `duty` of it, and what a sensor of 25 ms in `renewed` ms shows of it.
struct Wave {
  double period = 100;
  double duty = 0.5;
  double renewed = 100;
  double phase = 0;
  bool is_marked = false;
  bool is_always_at_work = false;  // as far as the utilisation tells
  Aliasing::Time how = Aliasing::Time::placed;

  // Milliseconds of work before the time.
  [[nodiscard]] double worked(double ms) const {
    const double turns = (ms + phase) / period;
    return (std::floor(turns) * duty + std::min(turns - std::floor(turns), duty)) * period;
  }
  [[nodiscard]] double share(double from, double to) const { return (worked(to) - worked(from)) / (to - from); }

  Aliasing::Verdict seen(int count) const {
    Aliasing aliasing{{.period = static_cast<Nanoseconds>(renewed * 1e6), .window = 25 * kMillisecond, .most = kMost}};
    double marked = -phase;
    for (int i = 2; i < count + 2; ++i) {
      const double now = i * renewed;
      const double register_at = std::floor(now / 166.7) * 166.7;
      aliasing.take_utilisation(is_always_at_work ? 1
                                                  : std::round(share(register_at - 166.7, register_at) * 100) / 100);
      aliasing.take(static_cast<Nanoseconds>((now - 12.5) * 1e6), kIdle + (kHigh - kIdle) * share(now - 25, now), how);
      for (; is_marked && marked <= now + 1; marked += period)
        aliasing.take_step(static_cast<Nanoseconds>(marked * 1e6));
    }
    return aliasing.judge();
  }
  [[nodiscard]] double mean() const { return kIdle + (kHigh - kIdle) * duty; }
};

TEST(Aliasing, ALoadInFullStepIsFoundByTheUtilisation) {
  const auto verdict = Wave{.period = 100, .phase = 40}.seen(300);
  EXPECT_TRUE(verdict.repeats);
  EXPECT_GT(verdict.possible_error, 100);
}

TEST(Aliasing, ALoadOfTwiceTheSensorsPeriodHidesHalfOfItself) {
  const auto verdict = Wave{.period = 200, .duty = 0.3, .phase = 40}.seen(300);
  EXPECT_TRUE(verdict.repeats);
  EXPECT_GT(verdict.possible_error, 0.2 * (kHigh - kIdle));
}

TEST(Aliasing, ALoadThatSlidesAlongTheSensorIsSeenWhole) {
  for (const double period : {37.3, 62.1, 71.7, 130.9, 234.4, 410.7}) {
    const auto verdict = Wave{.period = period}.seen(500);
    EXPECT_TRUE(verdict.repeats) << period;
    EXPECT_LT(verdict.possible_error, 0.02 * Wave{}.mean()) << period;
    EXPECT_LT(verdict.standard_error, 0.02 * Wave{}.mean()) << period;
  }
}

TEST(Aliasing, ASlowLoadThatTheUtilisationShowsIsNoBeat) {
  const auto verdict = Wave{.period = 7000}.seen(300);
  EXPECT_LT(verdict.possible_error, 0.02 * Wave{}.mean());
}

TEST(Aliasing, ABeatThatIsCutOffInTheMiddleLeavesTheMeanLopsided) {
  const auto verdict = Wave{.period = 99.5}.seen(500);  // two and a half beats
  EXPECT_GT(verdict.possible_error, 0.02 * Wave{}.mean());
}

TEST(Aliasing, ConstantWorkIsNotFlagged) {
  EXPECT_EQ((Wave{.period = 1, .duty = 0.6}.seen(300).possible_error), 0);
  EXPECT_EQ((Wave{.period = 100, .duty = 1}.seen(300).possible_error), 0);
}

TEST(Aliasing, WhatDoesNotRepeatIsAsDrawnByChance) {
  std::mt19937_64 engine{7};
  std::uniform_real_distribution<double> watts{kIdle, kHigh};
  Aliasing aliasing{kSensor};
  for (int i = 0; i < 400; ++i) aliasing.take(i * 100 * kMillisecond, watts(engine));
  EXPECT_FALSE(aliasing.judge().repeats);
}

// Phases that draw differently while a kernel is resident all the time: nothing that is measured moves.
TEST(Aliasing, StepsInFullStepAreFoundByTheirMarks) {
  for (const double period : {100.0, 50.0, 25.0, 200.0 / 3}) {
    const Wave wave{.period = period, .phase = 40, .is_marked = true, .is_always_at_work = true};
    EXPECT_GT(wave.seen(300).possible_error, 0.05 * wave.mean()) << period;
  }
}

TEST(Aliasing, WhatRepeatsWithTheStepsIsKnownWithoutTheTimesOfRenewals) {
  const auto seen = [](double period) {
    return Wave{.period = period, .is_marked = true, .how = Aliasing::Time::guessed}.seen(500).possible_error;
  };
  EXPECT_GT(seen(400.1), 0.3 * Wave{}.mean());  // a quarter of it, in four parts
  EXPECT_LT(seen(130.9), 0.02 * Wave{}.mean());
  EXPECT_LT(seen(71.7), 0.02 * Wave{}.mean());
}

TEST(Aliasing, WhatIsFlaggedHoldsWhatIsHidden) {
  for (const double phase : {0.0, 20.0, 40.0, 60.0, 80.0}) {
    const Wave wave{.period = 100, .duty = 0.6, .phase = phase, .is_marked = true, .is_always_at_work = true};
    const double shown = kIdle + (kHigh - kIdle) * wave.share(175, 200);
    EXPECT_LE(std::abs(shown - wave.mean()), wave.seen(300).possible_error) << phase;
  }
}

TEST(Aliasing, MarkedStepsThatSlideAlongTheSensorAreSeenWhole) {
  for (const double period : {37.0, 37.3, 62.1, 71.7, 130.9, 234.4}) {
    const auto verdict = Wave{.period = period, .is_marked = true, .is_always_at_work = true}.seen(500);
    EXPECT_LT(verdict.possible_error, 0.02 * Wave{}.mean()) << period;
  }
}

TEST(Aliasing, SlowStepsShowInTheReadings) {
  EXPECT_LT((Wave{.period = 2000, .is_marked = true}.seen(300).possible_error), 0.02 * Wave{}.mean());
}

TEST(Aliasing, WhereNoRenewalIsSeenStepsAsLongAsOneMayHideAPart) {
  const auto seen = [](double period) {
    return Wave{
        .period = period, .duty = 1, .is_marked = true, .is_always_at_work = true, .how = Aliasing::Time::guessed}
        .seen(300)
        .possible_error;
  };
  EXPECT_GT(seen(101.3), 0.2 * kHigh);
  EXPECT_GT(seen(25), 0.05 * kHigh);
  EXPECT_EQ(seen(37), 0);
  EXPECT_EQ(seen(8), 0);
}

TEST(Aliasing, IrregularStepsAreSeenWhole) {
  std::mt19937_64 engine{11};
  std::uniform_real_distribution<double> length{60, 140};
  Aliasing aliasing{kSensor};
  double step = 0;
  for (int i = 0; i < 400; ++i) {
    aliasing.take(i * 100 * kMillisecond, kHigh, Aliasing::Time::placed);
    for (; step <= i * 100; step += length(engine)) aliasing.take_step(static_cast<Nanoseconds>(step * 1e6));
  }
  EXPECT_EQ(aliasing.judge().possible_error, 0);
}

TEST(Aliasing, FewReadingsTellNothing) {
  EXPECT_FALSE((Wave{.period = 200}.seen(static_cast<int>(Aliasing::kFewest) - 1).repeats));
}

}  // namespace
}  // namespace everywatt
