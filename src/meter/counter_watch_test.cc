// A GPU's counter against its power: which is believed, and what is booked anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "meter/gpu_machine.h"

namespace everywatt {
namespace {

TEST(CounterWatch, ACounterThatRunsLowAtIdleIsDeposedAndBookedAnew) {
  GpuMachine machine;
  machine.with_power();
  machine.count_low_at_idle(0.57);
  machine.pass(30, {}, {1});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.measured()), 3000, 15);
  EXPECT_NEAR(joules(accounts.idle), 3000, 15);
  const DeviceRecord record = machine.record();
  EXPECT_EQ(record.sensor, "power");
  EXPECT_NE(std::ranges::find(record.flags, "counter-implausible"), record.flags.end());
  EXPECT_EQ(record.measured, accounts.measured());
  const auto falls = [](const SeriesPoint& a, const SeriesPoint& b) { return b.time <= a.time || b.value < a.value; };
  EXPECT_EQ(std::ranges::adjacent_find(machine.series(), falls), machine.series().end());
}

TEST(CounterWatch, PowerThatSeesAPartOfTheTimeContradictsACounterWhileNobodyWorks) {
  GpuMachine machine;
  machine.with_power(kSecond / 40);
  machine.count_low_at_idle(0.57);
  machine.pass(30, {}, {1});
  EXPECT_NEAR(joules(machine.end().measured()), 3000, 30);
  EXPECT_EQ(machine.record().sensor, "power");
}

TEST(CounterWatch, WhatAnotherSensorSaysIsInTheIntervalWhileNeitherIsBelieved) {
  GpuMachine machine;
  machine.with_power();
  machine.count_low_at_idle(0.57);
  machine.pass(5, {}, {1});
  EXPECT_NEAR(joules(machine.end().measured()), 0.57 * 500, 15);
  const DeviceRecord record = machine.record();
  EXPECT_THAT(record.flags, ::testing::Contains("sensor-disagreement"));
  EXPECT_GT(2 * joules(record.uncertainty_systematic), 0.43 * 500 - 15);
}

TEST(CounterWatch, WhatIsBookedAnewOfADeposedCounterStaysInItsPhase) {
  GpuMachine machine;
  machine.with_power();
  machine.count_low_at_idle(0.57);
  machine.begin_phase("load");
  machine.pass(30, {}, {1});
  const Accounts accounts = machine.end();
  EXPECT_EQ(machine.in_phase("load"), accounts.measured());
  EXPECT_EQ(machine.in_phase(""), 0);
}

TEST(CounterWatch, ACounterThatAgreesWithItsPowerStays) {
  GpuMachine machine;
  machine.with_power();
  for (int i = 0; i < 10; ++i) machine.pass(2, {{1, i % 2 == 0 ? 1.0 : 0.0}}, {1});
  EXPECT_NEAR(joules(machine.end().measured()), 4000, 1e-3);
  EXPECT_EQ(machine.record().sensor, "counter");
}

TEST(CounterWatch, ACounterThatLagsIsBookedAWindowLaterAndNotAtTheEndAlone) {
  GpuMachine machine;
  machine.counter_is_renewed_every(kSecond / 10);
  machine.pass(5, {{1, 1.0}}, {1});
  EXPECT_NEAR(joules(machine.so_far().measured()), 1200, 61);
  EXPECT_NEAR(joules(machine.end().measured()), 1500, 31);
}

}  // namespace
}  // namespace everywatt
