#include "meter/meter.h"

#include <gtest/gtest.h>

#include "tests/virtual_machine.h"

namespace everywatt {
namespace {

using testing::VirtualMachine;
using testing::VirtualPackage;
using testing::VirtualRun;

// One run alone on the machine: `load(second)` CPUs of its own, ticks of 100 ms, windows of 1 s.
template <class Load>
void measure(VirtualMachine& machine, VirtualRun& run, int seconds, Load load) {
  run.begin(machine);
  for (int tick = 1; tick <= seconds * 10; ++tick) {
    const double cpus = load((tick - 1) / 10.0);
    machine.advance(100 * kMillisecond, cpus);
    run.work(cpus * 1e8);
    run.sample(machine);
    const std::vector<Tenant> tenants{run.tenant()};
    if (tick == seconds * 10) {
      run.finish(machine, tenants);
    } else if (tick % 10 == 0) {
      run.close(machine, tenants);
    }
  }
}

TEST(Meter, ConstantPowerIsBookedToTheMicrojoule) {
  VirtualMachine machine{{VirtualPackage{.slope_watts = 0}}};
  VirtualRun run{"a", machine};
  measure(machine, run, 10, [](double) { return 4.0; });
  EXPECT_EQ(run.accounts().measured(), 200'000'000);
}

TEST(Meter, CountsAcrossTheWrap) {
  VirtualMachine machine{{VirtualPackage{.slope_watts = 0, .offset = 262'143'328'850 - 50'000'000}}};
  VirtualRun run{"a", machine};
  measure(machine, run, 10, [](double) { return 4.0; });
  EXPECT_EQ(run.accounts().measured(), 200'000'000);
  EXPECT_TRUE(run.gaps().empty());
}

TEST(Meter, ASleepIsIdleAndABurnIsBusy) {
  VirtualMachine machine{{VirtualPackage{}}};
  VirtualRun sleeper{"a", machine};
  measure(machine, sleeper, 3, [](double) { return 0.0; });
  EXPECT_EQ(sleeper.accounts().busy, 0);
  EXPECT_EQ(sleeper.accounts().idle, 60'000'000);

  VirtualRun burner{"b", machine};
  measure(machine, burner, 3, [](double) { return 4.0; });
  EXPECT_GT(burner.accounts().busy, 230'000'000);
}

TEST(Meter, TheFloorIsLearntFromTheSlopeAloneAndHoldsForTheWholeRun) {
  VirtualMachine machine{{VirtualPackage{.floor_watts = 20, .slope_watts = 60}}};
  VirtualRun run{"a", machine};
  const auto load = [](double second) { return 1.0 + 2.5 * (static_cast<int>(second * 2) % 4) / 3.0; };
  measure(machine, run, 30, load);
  double idle = 0;
  for (int tick = 0; tick < 300; ++tick) idle += 20 * (1 - load(tick / 10.0) / 4) * 0.1;

  ASSERT_EQ(run.meter().rebookings().size(), 1u);
  const auto rebooking = run.meter().rebookings().front();
  EXPECT_NEAR(rebooking.floors.ready / watt, 20, 0.6);
  const auto entries = rebook({.device = "package:0",
                               .cpus = rebooking.cpus,
                               .is_sliced = rebooking.is_sliced,
                               .is_blurred = rebooking.is_blurred,
                               .points = run.series().at("package:0")},
                              rebooking.floors, {.steady = 1000 * kSecond, .wall = 0});
  MicroJoules booked_idle = 0;
  MicroJoules all = 0;
  for (const Entry& entry : entries) {
    all += entry.energy;
    if (entry.account == Account::idle) booked_idle += entry.energy;
  }
  EXPECT_EQ(all, run.accounts().measured());
  EXPECT_NEAR(static_cast<double>(booked_idle) / 1e6, idle, idle * 0.05);
}

TEST(Meter, WhatIsBookedAnewKeepsEachMinutesDivisionOverPhases) {
  const auto entry = [](std::string phase, Account account, std::int64_t minute, MicroJoules energy) {
    return Entry{.device = "d", .phase = std::move(phase), .account = account, .minute = minute, .energy = energy};
  };
  const auto entries =
      divide_like({entry("a", Account::busy, 1, 30), entry("b", Account::busy, 1, 10), entry("b", Account::idle, 1, 7)},
                  {entry("", Account::busy, 1, 41), entry("", Account::other, 1, 47), entry("", Account::busy, 2, 5)});
  std::map<std::pair<std::string, std::int64_t>, MicroJoules> sums;
  for (const Entry& e : entries) sums[{e.phase, e.minute}] += e.energy;
  // Busy 3 : 1; what had no such account then by all of them, 30 : 17; a minute that was not there stays as it is.
  EXPECT_EQ((sums[{"a", 1}]), 31 + 30);
  EXPECT_EQ((sums[{"b", 1}]), 10 + 17);
  EXPECT_EQ((sums[{"", 2}]), 5);
}

TEST(Meter, ACounterThatNeverMovesIsNoZero) {
  VirtualMachine machine{{VirtualPackage{.floor_watts = 0, .slope_watts = 0}}};
  VirtualRun run{"a", machine};
  measure(machine, run, 5, [](double) { return 1.0; });
  const auto record = run.meter().records().front();
  EXPECT_FALSE(record.measured);
  EXPECT_NE(record.reason->find("stuck"), std::string::npos);
}

TEST(Meter, AStoppedSupervisorKeepsTheCountersJoulesAndSaysWhenItWasBlind) {
  VirtualMachine machine{{VirtualPackage{.slope_watts = 0}}};
  VirtualRun run{"a", machine};
  run.begin(machine);
  for (int tick = 1; tick <= 60; ++tick) {
    machine.advance(tick == 30 ? 5 * kSecond : 100 * kMillisecond, 4);
    run.work(tick == 30 ? 20e9 : 4e8);
    run.sample(machine);
    const std::vector<Tenant> tenants{run.tenant()};
    if (tick % 10 == 0) run.close(machine, tenants);
    if (tick == 60) run.finish(machine, tenants);
  }
  EXPECT_EQ(run.accounts().measured(), 218'000'000);
  ASSERT_EQ(run.gaps().size(), 1u);
  EXPECT_EQ(run.gaps().front().length, 5 * kSecond);
  EXPECT_EQ(run.meter().records().front().observed, 5900 * kMillisecond);
}

TEST(Meter, AResetBooksNothingForTheTickItHappenedIn) {
  VirtualMachine machine{{VirtualPackage{.slope_watts = 0, .offset = 200'000'000'000}}};
  VirtualRun run{"a", machine};
  run.begin(machine);
  for (int tick = 1; tick <= 50; ++tick) {
    machine.advance(100 * kMillisecond, 4);
    if (tick == 25) {
      machine.packages()[0].offset = 0;
      machine.packages()[0].energy_microjoules = 0;
    }
    run.work(4e8);
    run.sample(machine);
    const std::vector<Tenant> tenants{run.tenant()};
    if (tick % 10 == 0 && tick < 50) run.close(machine, tenants);
    if (tick == 50) run.finish(machine, tenants);
  }
  EXPECT_EQ(run.accounts().measured(), 98'000'000);
  ASSERT_EQ(run.gaps().size(), 1u);
  EXPECT_NE(run.gaps().front().reason.find("began again"), std::string::npos);
  const auto flags = run.meter().records().front().flags;
  EXPECT_NE(std::ranges::find(flags, "counter-reset"), flags.end());
}

TEST(Meter, AZoneThatDisappearsKeepsWhatItCountedAndTheRestIsAGap) {
  VirtualMachine machine{{VirtualPackage{.slope_watts = 0}, VirtualPackage{.slope_watts = 0}}};
  VirtualRun run{"a", machine};
  run.begin(machine);
  for (int tick = 1; tick <= 50; ++tick) {
    machine.advance(100 * kMillisecond, 8);
    machine.packages()[1].vanished = tick > 20;
    run.work(8e8);
    run.sample(machine);
    const std::vector<Tenant> tenants{run.tenant()};
    if (tick % 10 == 0 && tick < 50) run.close(machine, tenants);
    if (tick == 50) run.finish(machine, tenants);
  }
  EXPECT_EQ(run.accounts("package:0").measured(), 100'000'000);
  EXPECT_EQ(run.accounts("package:1").measured(), 40'000'000);
  ASSERT_EQ(run.gaps().size(), 1u);
  EXPECT_EQ(run.gaps().front().length, 3 * kSecond);
  EXPECT_EQ(run.meter().records()[1].observed, 2 * kSecond);
}

TEST(Meter, ARunShorterThanATickHasABill) {
  VirtualMachine machine{{VirtualPackage{}}};
  VirtualRun run{"a", machine};
  run.begin(machine);
  machine.advance(20 * kMillisecond, 4);
  run.work(80e6);
  run.sample(machine);
  run.finish(machine, std::vector<Tenant>{run.tenant()});
  EXPECT_EQ(run.accounts().measured(), 1'600'000);
}

}  // namespace
}  // namespace everywatt
