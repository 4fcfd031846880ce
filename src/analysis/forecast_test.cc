#include "analysis/forecast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace everywatt {
namespace {

std::vector<PhaseTime> epochs(std::initializer_list<MicroJoules> energies) {
  std::vector<PhaseTime> times;
  for (const MicroJoules energy : energies) {
    const auto at = static_cast<Nanoseconds>(times.size()) * 10 * kSecond;
    times.push_back({at, at + 10 * kSecond, energy});
  }
  return times;
}

TEST(Forecast, NeedsTwoEpochsAndAnEpochToCome) {
  EXPECT_FALSE(forecast({.times = epochs({5}), .expected = 10, .now = 10 * kSecond, .spent = 5}));
  EXPECT_TRUE(forecast({.times = epochs({5, 5}), .expected = 10, .now = 20 * kSecond, .spent = 10}));
  EXPECT_FALSE(forecast({.times = epochs({5, 5}), .expected = 2, .now = 20 * kSecond, .spent = 10}));
}

TEST(Forecast, OfEpochsThatAreAlikeIsTheirSum) {
  const auto told = forecast({.times = epochs({100, 50, 50, 50}), .expected = 10, .now = 40 * kSecond, .spent = 260});
  ASSERT_TRUE(told);
  EXPECT_EQ(told->energy, 260 + 6 * 50);  // the first, which warmed up, is behind us
  EXPECT_EQ(told->energy_low, told->energy);
  EXPECT_EQ(told->energy_high, told->energy);
  EXPECT_EQ(told->duration, 100 * kSecond);
}

TEST(Forecast, AnEpochThatHasBegunIsHalfBehindUs) {
  const auto told = forecast({.times = epochs({50, 50}), .expected = 4, .now = 25 * kSecond, .spent = 125});
  EXPECT_EQ(told->energy, 125 + 75);
  EXPECT_EQ(told->duration, 40 * kSecond);
}

TEST(Forecast, WhatLiesBetweenEpochsGoesOn) {
  std::vector<PhaseTime> times = epochs({50, 50, 50});
  for (std::size_t i = 0; i < times.size(); ++i) times[i].end -= 5 * kSecond;
  const auto told = forecast({.times = times, .expected = 6, .now = 25 * kSecond, .spent = 200});
  EXPECT_EQ(told->energy, 200 + 3 * 100);  // ten seconds each, of which five lie between
}

TEST(Forecast, ItsIntervalHoldsTheBillAsOftenAsItSays) {
  std::mt19937_64 random{3};
  std::normal_distribution<double> normal{1e9, 5e7};
  for (const std::size_t done : {2u, 4u, 12u}) {
    int held = 0;
    constexpr int kRuns = 2000;
    for (int run = 0; run < kRuns; ++run) {
      Progress progress{.expected = 30};
      MicroJoules whole = 0;
      for (std::size_t i = 0; i < progress.expected; ++i) {
        const auto energy = static_cast<MicroJoules>(std::llround(normal(random)));
        whole += energy;
        if (i >= done) continue;
        progress.times.push_back({progress.now, progress.now + kSecond, energy});
        progress.now += kSecond;
        progress.spent += energy;
      }
      const auto told = forecast(progress);
      held += told->energy_low <= whole && whole <= told->energy_high ? 1 : 0;
    }
    EXPECT_NEAR(held, 0.95 * kRuns, 0.02 * kRuns) << done;
  }
}

TEST(Forecast, IsOfRunsThatSayHowLongTheyWillBeAndStillRun) {
  Bill bill{.run = {.id = "r"}, .duration = 20 * kSecond};
  bill.energy.total = 100;
  bill.phases = {{.path = "epoch", .times = epochs({50, 50})}};
  EXPECT_FALSE(forecast_of(bill));
  bill.run.environment["expected_epochs"] = "4";
  EXPECT_EQ(forecast_of(bill)->energy, 200);
  bill.run.environment["epoch_phase"] = "train/epoch";
  EXPECT_FALSE(forecast_of(bill));
  bill.run.environment.erase("epoch_phase");
  bill.run.status = RunStatus::finished;
  EXPECT_FALSE(forecast_of(bill));
}

}  // namespace
}  // namespace everywatt
