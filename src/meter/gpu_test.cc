// GPUs in the meter: who is charged what, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "meter/gpu_machine.h"

namespace everywatt {
namespace {

TEST(Gpu, WhatARunWorksIsBusyAndWhatItHoldsIsIdle) {
  GpuMachine machine;
  machine.pass(10, {{1, 0.5}}, {1});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.busy), 1500, 1);  // 0.5 × 300 W × 10 s
  EXPECT_NEAR(joules(accounts.idle), 500, 1);   // 0.5 × 100 W × 10 s
  EXPECT_EQ(accounts.other, 0);
  EXPECT_NEAR(joules(accounts.measured()), 2000, 1e-3);
}

TEST(Gpu, AJobWithoutAContextIsChargedNothing) {
  GpuMachine machine;
  machine.pass(10, {}, {});
  const Accounts accounts = machine.end();
  EXPECT_EQ(accounts.total(), 0);
  EXPECT_NEAR(joules(accounts.unattributed), 1000, 1e-3);
}

TEST(Gpu, AForeignProcessTakesItsWorkAndItsPartOfTheIdle) {
  GpuMachine machine;
  machine.pass(10, {{1, 0.25}, {100, 0.5}}, {1, 100});
  const Accounts accounts = machine.end();
  // 250 W: 25 W idle, 225 W active, a third of it ours.
  EXPECT_NEAR(joules(accounts.busy), 750, 2);
  EXPECT_NEAR(joules(accounts.idle), 125, 2);
  EXPECT_NEAR(joules(accounts.other), 1500 + 125, 3);
}

TEST(Gpu, ARunWithoutWorkBesideABusyOneGetsIdleOnly) {
  GpuMachine machine;
  machine.pass(10, {{100, 1.0}}, {1, 100});
  const Accounts accounts = machine.end();
  EXPECT_EQ(accounts.busy, 0);
  EXPECT_EQ(accounts.idle, 0);  // nothing is idle while it works all the time
  EXPECT_NEAR(joules(accounts.other), 3000, 1e-3);
}

TEST(Gpu, AContextOpenedLateAndClosedEarlyReservesOnlyMeanwhile) {
  GpuMachine machine;
  machine.pass(4, {}, {});
  machine.pass(3, {}, {1});
  machine.pass(3, {}, {});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.idle), 300, 11);
  EXPECT_NEAR(joules(accounts.unattributed), 700, 11);
}

TEST(Gpu, WhatAVariableReservesIsChargedFromTheStartOn) {
  Tenant us{.run = "us", .from = 0};
  us.reservation.gpus = {{"GPU-1"}};
  GpuMachine machine{{us}};
  machine.pass(10, {}, {});
  EXPECT_NEAR(joules(machine.end().idle), 1000, 1e-3);
}

TEST(Gpu, OneThatAnotherRunReservedIsTheOthers) {
  Tenant us{.run = "us", .from = 0};
  us.reservation.gpus = {{"GPU-2"}};
  Tenant them{.run = "them", .from = 0};
  them.reservation.gpus = {{"GPU-1"}};
  GpuMachine machine{{us, them}};
  machine.pass(10, {}, {});
  EXPECT_NEAR(joules(machine.end().other), 1000, 1e-3);
}

// A run that reserves these GPUs from the start on; empty: it says nothing of any.
Tenant tenant(std::string run, std::string parent, const std::vector<std::string>& gpus) {
  Tenant one{.run = std::move(run), .parent = std::move(parent), .from = 0};
  if (!gpus.empty()) one.reservation.gpus = gpus;
  return one;
}

Accounts idle_of_us(std::vector<Tenant> tenants) {
  GpuMachine machine{std::move(tenants)};
  machine.pass(10, {}, {});
  return machine.end();
}

TEST(Gpu, ANestedRunLessensItsParentsPartByNothing) {
  EXPECT_NEAR(joules(idle_of_us({tenant("us", "", {"GPU-1"}), tenant("inner", "us", {"GPU-1"})}).idle), 1000, 1e-3);
}

TEST(Gpu, ANestedRunGetsAllThatItsParentHas) {
  EXPECT_NEAR(joules(idle_of_us({tenant("outer", "", {"GPU-1"}), tenant("us", "outer", {"GPU-1"})}).idle), 1000, 1e-3);
  EXPECT_NEAR(joules(idle_of_us({tenant("outer", "", {"GPU-1"}), tenant("us", "outer", {})}).idle), 1000, 1e-3);
  EXPECT_NEAR(joules(idle_of_us({tenant("outer", "", {"GPU-1"}), tenant("middle", "outer", {"GPU-1"}),
                                 tenant("us", "middle", {"GPU-1"})})
                         .idle),
              1000, 1e-3);
}

TEST(Gpu, NestedRunsDivideWhatTheirParentHas) {
  const Accounts accounts = idle_of_us(
      {tenant("outer", "", {"GPU-1"}), tenant("us", "outer", {"GPU-1"}), tenant("sister", "outer", {"GPU-1"})});
  EXPECT_NEAR(joules(accounts.idle), 500, 1e-3);
  EXPECT_NEAR(joules(accounts.other), 500, 1e-3);
  const Accounts beside_another = idle_of_us({tenant("outer", "", {"GPU-1"}), tenant("us", "outer", {"GPU-1"}),
                                              tenant("sister", "outer", {"GPU-1"}), tenant("them", "", {"GPU-1"})});
  EXPECT_NEAR(joules(beside_another.idle), 250, 1e-3);
}

TEST(Gpu, ANestedRunThatReservesFewerThanItsParentLeavesTheOthersToItsSiblings) {
  const std::vector both = {tenant("outer", "", {"GPU-1", "GPU-2"}), tenant("first", "outer", {"GPU-1"}),
                            tenant("second", "outer", {"GPU-2"})};
  const auto as = [&](std::size_t ours) {
    auto tenants = both;
    for (Tenant& each : tenants) {
      if (each.parent == both[ours].run) each.parent = "us";
    }
    tenants[ours].run = "us";
    return idle_of_us(tenants);
  };
  EXPECT_NEAR(joules(as(0).idle), 1000, 1e-3);
  EXPECT_NEAR(joules(as(1).idle), 1000, 1e-3);
  const Accounts none = as(2);
  EXPECT_EQ(none.idle, 0);
  EXPECT_NEAR(joules(none.other), 1000, 1e-3);
}

TEST(Gpu, WhatANestedRunReservesIsItsParentsToo) {
  EXPECT_NEAR(joules(idle_of_us({tenant("us", "", {}), tenant("inner", "us", {"GPU-1"})}).idle), 1000, 1e-3);
  EXPECT_NEAR(joules(idle_of_us({tenant("outer", "", {}), tenant("us", "outer", {"GPU-1"})}).idle), 1000, 1e-3);
}

TEST(Gpu, RunsThatAreEachOthersParentsReserveNothing) {
  EXPECT_NEAR(joules(idle_of_us({tenant("us", "", {"GPU-1"}), tenant("a", "b", {"GPU-1"}), tenant("b", "a", {})}).idle),
              1000, 1e-3);
}

TEST(Gpu, ARunThatComesHalfwayThroughAWindowSharesTheRestOfIt) {
  Tenant them = tenant("them", "", {"GPU-1"});
  them.from = 9'500 * kMillisecond;
  EXPECT_NEAR(joules(idle_of_us({tenant("us", "", {"GPU-1"}), them}).idle), 975, 1);
}

TEST(Gpu, AProcessWhoseNumberSaysNothingIsForeignAndFlagged) {
  GpuMachine machine;
  machine.pass(10, {{200, 0.5}}, {200});
  EXPECT_EQ(machine.end().busy, 0);
  const auto flags = machine.record().flags;
  EXPECT_NE(std::ranges::find(flags, "pids-not-visible"), flags.end());
}

TEST(Gpu, WhatWasBeforeTheFirstWordOfItsWorkIsNotKnown) {
  GpuMachine machine;
  machine.tells_of_work_from(kSecond * 11 / 10);
  machine.pass(5, {{1, 1}}, {1});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.unattributed), 300, 40);
  EXPECT_NEAR(joules(accounts.measured()), 1500, 1);
  EXPECT_THAT(machine.record().flags, ::testing::Contains("utilisation-unknown"));
}

// Work is told a sixth of a second at a time, and where the first second is nearly over that is most of it.
TEST(Gpu, WhatPrecedesTheFirstWordByMomentsIsLikeItWhereverTheSecondsEnd) {
  for (int tenth = 0; tenth < 10; ++tenth) {
    GpuMachine machine;
    machine.begins_at(5 * kSecond + tenth * kSecond / 10);
    machine.tells_of_work_from(5 * kSecond + (tenth + 3) * kSecond / 10);
    machine.pass(5, {{1, 1}}, {1});
    const Accounts accounts = machine.end();
    EXPECT_NEAR(joules(accounts.busy), 1500, 1) << tenth;
    EXPECT_THAT(machine.record().flags, ::testing::Not(::testing::Contains("utilisation-unknown"))) << tenth;
  }
}

TEST(Gpu, IsHeldToTheEndOfARunThatIsGoneAtTheLastLook) {
  GpuMachine machine;
  machine.pass(3, {{1, 0.5}}, {1});
  machine.pass_tenth({{1, 0.5}}, {});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.idle), 155, 0.1);
  EXPECT_EQ(accounts.unattributed, 0);
}

TEST(Gpu, OfWhoseProcessesNothingIsSaidIsNobodys) {
  GpuMachine machine;
  machine.shows_no_processes();
  machine.tells_of_work_from(kSecond * 11 / 10);
  machine.pass(5, {{1, 1}}, {});
  const Accounts accounts = machine.end();
  EXPECT_EQ(accounts.measured(), accounts.unattributed);
  EXPECT_FALSE(machine.record().utilisation_known);
}

TEST(Startup, IsWhatPrecedesTheFirstWorkOnAGpu) {
  GpuMachine machine;
  machine.pass(3, {}, {1});
  machine.pass(3, {{1, 1.0}}, {1});
  EXPECT_EQ(joules(machine.in_phase("startup")), 300);
  (void)machine.end();
  EXPECT_NEAR(joules(machine.in_phase("startup")), 300, 1);
  EXPECT_NEAR(joules(machine.in_phase("")), 900, 1);
}

TEST(Startup, IsNotInARunWithoutWorkOnAGpu) {
  GpuMachine machine;
  machine.pass(3, {{100, 1.0}}, {1, 100});
  (void)machine.end();
  EXPECT_EQ(machine.in_phase("startup"), 0);
}

}  // namespace
}  // namespace everywatt
