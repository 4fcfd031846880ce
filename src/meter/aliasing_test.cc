// Square waves before a sensor that sees 25 of every 100 ms.
#include "meter/aliasing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace everywatt {
namespace {

constexpr double kIdle = 60, kHigh = 360, kMost = 400;

// A load of `period` ms that works for `duty` of it, and what a sensor of 25 ms in `renewed` ms shows of it.
struct Wave {
  double period = 100;
  double duty = 0.5;
  double renewed = 100;
  double phase = 0;

  // Milliseconds of work before the time.
  [[nodiscard]] double worked(double ms) const {
    const double turns = (ms + phase) / period;
    return (std::floor(turns) * duty + std::min(turns - std::floor(turns), duty)) * period;
  }
  [[nodiscard]] double share(double from, double to) const { return (worked(to) - worked(from)) / (to - from); }

  Aliasing::Verdict seen(int count) const {
    Aliasing aliasing{static_cast<Nanoseconds>(renewed * 1e6), kMost};
    for (int i = 2; i < count + 2; ++i) {
      const double now = i * renewed;
      const double register_at = std::floor(now / 166.7) * 166.7;
      aliasing.take_utilisation(std::round(share(register_at - 166.7, register_at) * 100) / 100);
      aliasing.take(static_cast<Nanoseconds>(now * 1e6), kIdle + (kHigh - kIdle) * share(now - 25, now));
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
  Aliasing aliasing{100 * kMillisecond, kMost};
  for (int i = 0; i < 400; ++i) aliasing.take(i * 100 * kMillisecond, watts(engine));
  EXPECT_FALSE(aliasing.judge().repeats);
}

TEST(Aliasing, FewReadingsTellNothing) {
  EXPECT_FALSE((Wave{.period = 200}.seen(static_cast<int>(Aliasing::kFewest) - 1).repeats));
}

}  // namespace
}  // namespace everywatt
