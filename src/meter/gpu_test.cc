// GPUs in the meter: who is charged what, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "meter/meter.h"

namespace everywatt {
namespace {

constexpr std::string_view kGpu = "gpu:GPU-1";

double joules(MicroJoules energy) { return static_cast<double>(energy) / 1e6; }

// One GPU that draws 100 W idle and 300 W at work, read ten times a second by one run.
class Machine {
 public:
  explicit Machine(std::vector<Tenant> tenants = {}) : tenants_{std::move(tenants)} {
    inventory_.devices = {{.id = std::string{kGpu}, .kind = DeviceKind::gpu, .index = 0}};
    inventory_.channels = {{.device = std::string{kGpu}, .kind = ChannelKind::energy, .sensor = "counter"},
                           {.device = std::string{kGpu}, .kind = ChannelKind::utilisation},
                           {.device = std::string{kGpu}, .kind = ChannelKind::context}};
    if (tenants_.empty()) tenants_ = {{.run = "us", .from = 0}};
    begin();
  }

  // A second sensor: instant power, the mean over `window`.
  void with_power(Nanoseconds window = kSecond / 10) {
    inventory_.channels.push_back({.device = std::string{kGpu},
                                   .kind = ChannelKind::power,
                                   .method = Method::integrated,
                                   .sensor = "power",
                                   .period = kSecond / 10,
                                   .window = window});
    begin();
  }
  void shows_no_processes() {
    inventory_.channels.pop_back();
    begin();
  }
  // Until then its energy alone is read.
  void tells_of_work_from(Nanoseconds time) {
    tells_from_ = time;
    begin();
  }
  // Windows end with the seconds, whenever a run begins.
  void begins_at(Nanoseconds time) {
    now_ = time;
    begin();
  }
  // The counter shows this part of what is drawn while nobody works.
  void count_low_at_idle(double part) { part_at_idle_ = part; }

  void begin_phase(std::string name) {
    meter_->phases().take(
        {.time = now_, .lane = {.process = {.pid = 1}, .thread = 1}, .what = PhaseBegin{1, std::move(name)}});
  }

  // `worked`: of the device by process; the rest of the time it is idle.
  void pass(int seconds, const std::map<std::int64_t, double>& worked, const std::vector<std::int64_t>& contexts) {
    for (int i = 0; i < 10 * seconds; ++i) pass_tenth(worked, contexts);
  }
  // A tenth of a second, and a look at its end.
  void pass_tenth(const std::map<std::int64_t, double>& worked, const std::vector<std::int64_t>& contexts) {
    now_ += kSecond / 10;
    double all = 0;
    for (const auto& [pid, share] : worked) all += share;
    watts_ = 100 + 200 * all;
    energy_ += static_cast<std::uint64_t>(watts_ * 1e5 * (all > 0 ? 1 : part_at_idle_));
    read(worked, contexts);
    if (now_ % kSecond == 0) keep(meter_->close_window({.until = {now_, now_}, .tenants = tenants_}));
  }

  void counter_is_renewed_every(Nanoseconds period) {
    inventory_.channels[0].period = period;
    begin();
  }
  Accounts so_far() const { return booked_; }
  // Of the device's energy, for who books anew.
  const std::vector<SeriesPoint>& series() const { return series_; }
  MicroJoules in_phase(const std::string& phase) const {
    const auto found = phases_.find(phase);
    return found == phases_.end() ? 0 : found->second;
  }

  Accounts end() {
    keep(meter_->finish({.until = {now_, now_}, .tenants = tenants_}));
    return booked_;
  }
  DeviceRecord record() const { return meter_->records().front(); }

 private:
  void begin() {
    const Inventory* all[] = {&inventory_};
    MeterOptions options{.run = "us"};
    options.floors[std::string{kGpu}] = {.power = 100.0 * watt, .method = FloorMethod::envelope, .windows = 9};
    meter_.emplace(all, std::move(options));
    meter_->set_owner_of([](std::int64_t pid) {
      return pid < 100 ? Owner::run : pid < 200 ? Owner::others : Owner::unknown;
    });
    read({}, {});
    meter_->begin({.steady = now_, .wall = now_});
  }

  void read(const std::map<std::int64_t, double>& worked, const std::vector<std::int64_t>& contexts) {
    std::vector<Reading> readings{{.channel = 0, .raw = energy_}};
    if (now_ < tells_from_) return meter_->take(0, {now_, now_}, readings);
    double all = 0;
    for (const auto& [pid, share] : worked) all += share;
    readings.push_back({.channel = 1, .raw = static_cast<std::uint64_t>(all * 1e6)});
    for (const auto& [pid, share] : worked)
      readings.push_back({.channel = 1, .raw = static_cast<std::uint64_t>(share * 1e6), .pid = pid});
    for (const std::int64_t pid : contexts) readings.push_back({.channel = 2, .raw = 1, .pid = pid});
    readings.push_back({.channel = 2, .raw = contexts.size()});
    if (inventory_.channels.size() > 3)
      readings.push_back({.channel = 3, .raw = static_cast<std::uint64_t>(watts_ * 1e6)});
    meter_->take(0, {now_, now_}, readings);
  }

  void keep(const RunDelta& delta) {
    for (const Entry& entry : delta.entries) {
      phases_[entry.phase] += entry.energy;
      booked_[entry.account] += entry.energy;
    }
    for (const RunDelta::Series& series : delta.series)
      std::ranges::copy(series.points[Track::energy], std::back_inserter(series_));
  }

  Inventory inventory_;
  std::vector<Tenant> tenants_;
  std::optional<Meter> meter_;
  Nanoseconds now_ = 0;
  std::uint64_t energy_ = 0;
  double watts_ = 100;
  double part_at_idle_ = 1;
  Nanoseconds tells_from_ = 0;
  Accounts booked_;
  std::map<std::string, MicroJoules> phases_;
  std::vector<SeriesPoint> series_;
};

TEST(Gpu, WhatARunWorksIsBusyAndWhatItHoldsIsIdle) {
  Machine machine;
  machine.pass(10, {{1, 0.5}}, {1});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.busy), 1500, 1);  // 0.5 × 300 W × 10 s
  EXPECT_NEAR(joules(accounts.idle), 500, 1);   // 0.5 × 100 W × 10 s
  EXPECT_EQ(accounts.other, 0);
  EXPECT_NEAR(joules(accounts.measured()), 2000, 1e-3);
}

TEST(Gpu, AJobWithoutAContextIsChargedNothing) {
  Machine machine;
  machine.pass(10, {}, {});
  const Accounts accounts = machine.end();
  EXPECT_EQ(accounts.total(), 0);
  EXPECT_NEAR(joules(accounts.unattributed), 1000, 1e-3);
}

TEST(Gpu, AForeignProcessTakesItsWorkAndItsPartOfTheIdle) {
  Machine machine;
  machine.pass(10, {{1, 0.25}, {100, 0.5}}, {1, 100});
  const Accounts accounts = machine.end();
  // 250 W: 25 W idle, 225 W active, a third of it ours.
  EXPECT_NEAR(joules(accounts.busy), 750, 2);
  EXPECT_NEAR(joules(accounts.idle), 125, 2);
  EXPECT_NEAR(joules(accounts.other), 1500 + 125, 3);
}

TEST(Gpu, ARunWithoutWorkBesideABusyOneGetsIdleOnly) {
  Machine machine;
  machine.pass(10, {{100, 1.0}}, {1, 100});
  const Accounts accounts = machine.end();
  EXPECT_EQ(accounts.busy, 0);
  EXPECT_EQ(accounts.idle, 0);  // nothing is idle while it works all the time
  EXPECT_NEAR(joules(accounts.other), 3000, 1e-3);
}

TEST(Gpu, AContextOpenedLateAndClosedEarlyReservesOnlyMeanwhile) {
  Machine machine;
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
  Machine machine{{us}};
  machine.pass(10, {}, {});
  EXPECT_NEAR(joules(machine.end().idle), 1000, 1e-3);
}

TEST(Gpu, OneThatAnotherRunReservedIsTheOthers) {
  Tenant us{.run = "us", .from = 0};
  us.reservation.gpus = {{"GPU-2"}};
  Tenant them{.run = "them", .from = 0};
  them.reservation.gpus = {{"GPU-1"}};
  Machine machine{{us, them}};
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
  Machine machine{std::move(tenants)};
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

TEST(Gpu, ACounterThatRunsLowAtIdleIsDeposedAndBookedAnew) {
  Machine machine;
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

TEST(Gpu, PowerThatSeesAPartOfTheTimeContradictsACounterWhileNobodyWorks) {
  Machine machine;
  machine.with_power(kSecond / 40);
  machine.count_low_at_idle(0.57);
  machine.pass(30, {}, {1});
  EXPECT_NEAR(joules(machine.end().measured()), 3000, 30);
  EXPECT_EQ(machine.record().sensor, "power");
}

TEST(Gpu, WhatAnotherSensorSaysIsInTheIntervalWhileNeitherIsBelieved) {
  Machine machine;
  machine.with_power();
  machine.count_low_at_idle(0.57);
  machine.pass(5, {}, {1});
  EXPECT_NEAR(joules(machine.end().measured()), 0.57 * 500, 15);
  const DeviceRecord record = machine.record();
  EXPECT_THAT(record.flags, ::testing::Contains("sensor-disagreement"));
  EXPECT_GT(2 * joules(record.uncertainty_systematic), 0.43 * 500 - 15);
}

TEST(Gpu, WhatIsBookedAnewOfADeposedCounterStaysInItsPhase) {
  Machine machine;
  machine.with_power();
  machine.count_low_at_idle(0.57);
  machine.begin_phase("load");
  machine.pass(30, {}, {1});
  const Accounts accounts = machine.end();
  EXPECT_EQ(machine.in_phase("load"), accounts.measured());
  EXPECT_EQ(machine.in_phase(""), 0);
}

TEST(Gpu, ACounterThatAgreesWithItsPowerStays) {
  Machine machine;
  machine.with_power();
  for (int i = 0; i < 10; ++i) machine.pass(2, {{1, i % 2 == 0 ? 1.0 : 0.0}}, {1});
  EXPECT_NEAR(joules(machine.end().measured()), 4000, 1e-3);
  EXPECT_EQ(machine.record().sensor, "counter");
}

TEST(Gpu, ACounterThatLagsIsBookedAWindowLaterAndNotAtTheEndAlone) {
  Machine machine;
  machine.counter_is_renewed_every(kSecond / 10);
  machine.pass(5, {{1, 1.0}}, {1});
  EXPECT_NEAR(joules(machine.so_far().measured()), 1200, 61);
  EXPECT_NEAR(joules(machine.end().measured()), 1500, 31);
}

TEST(Gpu, AProcessWhoseNumberSaysNothingIsForeignAndFlagged) {
  Machine machine;
  machine.pass(10, {{200, 0.5}}, {200});
  EXPECT_EQ(machine.end().busy, 0);
  const auto flags = machine.record().flags;
  EXPECT_NE(std::ranges::find(flags, "pids-not-visible"), flags.end());
}

TEST(Gpu, WhatWasBeforeTheFirstWordOfItsWorkIsNotKnown) {
  Machine machine;
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
    Machine machine;
    machine.begins_at(5 * kSecond + tenth * kSecond / 10);
    machine.tells_of_work_from(5 * kSecond + (tenth + 3) * kSecond / 10);
    machine.pass(5, {{1, 1}}, {1});
    const Accounts accounts = machine.end();
    EXPECT_NEAR(joules(accounts.busy), 1500, 1) << tenth;
    EXPECT_THAT(machine.record().flags, ::testing::Not(::testing::Contains("utilisation-unknown"))) << tenth;
  }
}

TEST(Gpu, IsHeldToTheEndOfARunThatIsGoneAtTheLastLook) {
  Machine machine;
  machine.pass(3, {{1, 0.5}}, {1});
  machine.pass_tenth({{1, 0.5}}, {});
  const Accounts accounts = machine.end();
  EXPECT_NEAR(joules(accounts.idle), 155, 0.1);
  EXPECT_EQ(accounts.unattributed, 0);
}

TEST(Gpu, OfWhoseProcessesNothingIsSaidIsNobodys) {
  Machine machine;
  machine.shows_no_processes();
  machine.tells_of_work_from(kSecond * 11 / 10);
  machine.pass(5, {{1, 1}}, {});
  const Accounts accounts = machine.end();
  EXPECT_EQ(accounts.measured(), accounts.unattributed);
  EXPECT_FALSE(machine.record().utilisation_known);
}

TEST(Startup, IsWhatPrecedesTheFirstWorkOnAGpu) {
  Machine machine;
  machine.pass(3, {}, {1});
  machine.pass(3, {{1, 1.0}}, {1});
  EXPECT_EQ(joules(machine.in_phase("startup")), 300);
  (void)machine.end();
  EXPECT_NEAR(joules(machine.in_phase("startup")), 300, 1);
  EXPECT_NEAR(joules(machine.in_phase("")), 900, 1);
}

TEST(Startup, IsNotInARunWithoutWorkOnAGpu) {
  Machine machine;
  machine.pass(3, {{100, 1.0}}, {1, 100});
  (void)machine.end();
  EXPECT_EQ(machine.in_phase("startup"), 0);
}

}  // namespace
}  // namespace everywatt
