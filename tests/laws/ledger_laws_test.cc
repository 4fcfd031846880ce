// The laws of the ledger over random scenarios in virtual time: machines of
// one or two packages, runs that come and go, nested ones, a foreigner,
// cpusets that overlap, sensors that fall silent, wrap and reset.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "meter/phases.h"
#include "tests/virtual_machine.h"

namespace everywatt {
namespace {

using testing::VirtualMachine;
using testing::VirtualPackage;
using testing::VirtualRun;

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_{seed} {}
  double between(double low, double high) { return std::uniform_real_distribution{low, high}(random_); }
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  bool one_in(int n) { return below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

struct Planned {
  std::unique_ptr<VirtualRun> run;
  std::string id;
  std::string parent = {};
  int begins = 0;  // tick
  int ends = 0;
  double load = 0;  // CPUs, of its own work
};

struct Scenario {
  VirtualMachine machine;
  std::vector<Planned> runs;
  double foreign_load = 0;
  int ticks = 0;
  bool defects = false;
  FloorBoard floors = {};
};

Scenario make_scenario(Chance& chance, bool defects) {
  std::vector<VirtualPackage> packages(static_cast<std::size_t>(1 + chance.below(2)));
  for (auto& package : packages) {
    package.cpus = 2u + 2u * static_cast<unsigned>(chance.below(4));
    package.floor_watts = chance.between(5, 80);
    package.slope_watts = chance.between(20, 250);
    package.offset = chance.one_in(3) ? package.range - static_cast<std::uint64_t>(chance.between(1e6, 3e8)) : 12345;
  }
  Scenario scenario{
      .machine = VirtualMachine{std::move(packages)}, .runs = {}, .ticks = 60 + chance.below(60), .defects = defects};
  const auto cpus = static_cast<double>(scenario.machine.cpus());
  double free = cpus;
  scenario.foreign_load = chance.one_in(2) ? chance.between(0, cpus / 3) : 0;
  free -= scenario.foreign_load;
  const int count = 1 + chance.below(4);
  for (int i = 0; i < count; ++i) {
    Planned planned{.run = nullptr, .id = "run" + std::to_string(i)};
    planned.begins = chance.below(scenario.ticks / 2);
    planned.ends = planned.begins + 12 + chance.below(scenario.ticks - planned.begins - 12);
    planned.load = chance.one_in(4) ? 0 : chance.between(0, free / 2);
    free -= planned.load;
    if (i > 0 && chance.one_in(4)) {  // nested in the first, within its time
      planned.parent = "run0";
      planned.begins = std::max(planned.begins, scenario.runs[0].begins + 1);
      planned.ends = std::min(std::max(planned.ends, planned.begins + 2), scenario.runs[0].ends - 1);
      if (planned.begins >= planned.ends) continue;
    }
    planned.run = std::make_unique<VirtualRun>(planned.id, scenario.machine);
    if (planned.parent.empty() && chance.one_in(3)) {
      auto& reserved = planned.run->reservation.cpus.emplace();
      for (unsigned cpu = 0; cpu < scenario.machine.cpus(); ++cpu) {
        if (chance.one_in(2)) reserved.push_back(cpu);
      }
    }
    scenario.runs.push_back(std::move(planned));
  }
  return scenario;
}

void apply_defects(Chance& chance, VirtualMachine& machine) {
  for (auto& package : machine.packages()) {
    if (chance.one_in(40)) package.vanished = !package.vanished;
    if (chance.one_in(60)) {
      package.offset = 0;
      package.energy_microjoules = 0;
    }
  }
}

std::vector<Tenant> tenants_at(const Scenario& scenario, int tick) {
  std::vector<Tenant> tenants;
  for (const Planned& planned : scenario.runs) {
    if (tick >= planned.begins) tenants.push_back(planned.run->tenant());
  }
  return tenants;
}

// A run's work includes its nested runs'.
double load_of(const Scenario& scenario, const Planned& planned, int tick) {
  double load = 0;
  for (const Planned& other : scenario.runs) {
    const bool ours = other.id == planned.id || other.parent == planned.id;
    if (ours && tick > other.begins && tick <= other.ends) load += other.load;
  }
  return load;
}

void play(Chance& chance, Scenario& scenario) {
  for (int tick = 0; tick <= scenario.ticks; ++tick) {
    double load = scenario.foreign_load;
    for (const Planned& planned : scenario.runs) {
      if (tick > planned.begins && tick <= planned.ends) load += planned.load;
    }
    scenario.machine.advance(100 * kMillisecond, load);
    if (scenario.defects) apply_defects(chance, scenario.machine);
    for (Planned& planned : scenario.runs) {
      if (tick == planned.begins) {
        planned.run->begin(scenario.machine, planned.parent, &scenario.floors, tenants_at(scenario, tick));
      }
      if (tick <= planned.begins || tick > planned.ends) continue;
      planned.run->work(load_of(scenario, planned, tick) * 1e8);
      const bool at_edge = tick % 10 == 0 || tick == planned.ends || planned.run->in_company();
      if (!(scenario.defects && chance.one_in(15)))
        planned.run->sample(scenario.machine, at_edge ? VirtualRun::At::edge : VirtualRun::At::tick);
    }
    for (Planned& planned : scenario.runs) {
      const auto tenants = tenants_at(scenario, tick);
      if (tick > planned.begins && tick < planned.ends && tick % 10 == 0)
        planned.run->close(scenario.machine, tenants, &scenario.floors);
      if (tick == planned.ends) {
        planned.run->sample(scenario.machine);
        planned.run->finish(scenario.machine, tenants, &scenario.floors);
      }
    }
  }
}

class Laws : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Laws, ::testing::Range(0, 8));

TEST_P(Laws, AccountsSumToMeasuredForEveryDeviceWhateverBreaks) {
  Chance chance{1000 + static_cast<std::uint64_t>(GetParam())};
  for (int round = 0; round < 60; ++round) {
    Scenario scenario = make_scenario(chance, true);
    play(chance, scenario);
    for (Planned& planned : scenario.runs) {
      for (const DeviceRecord& record : planned.run->meter().records()) {
        const Accounts accounts = planned.run->accounts(record.device.id);
        ASSERT_EQ(accounts.measured(), record.measured.value_or(0)) << record.device.id;
        ASSERT_GE(std::min({accounts.busy, accounts.idle, accounts.other, accounts.unattributed}), 0);
        ASSERT_LE(record.observed, (planned.ends - planned.begins) * 100 * kMillisecond);
      }
    }
  }
}

TEST_P(Laws, WithoutDefectsMeasuredIsWhatTheMachineSpent) {
  Chance chance{2000 + static_cast<std::uint64_t>(GetParam())};
  for (int round = 0; round < 60; ++round) {
    Scenario scenario = make_scenario(chance, false);
    const double before = scenario.machine.true_microjoules();
    Planned whole{
        .run = std::make_unique<VirtualRun>("whole", scenario.machine), .id = "whole", .ends = scenario.ticks};
    scenario.runs.push_back(std::move(whole));
    play(chance, scenario);
    // The first tick passes before the run begins.
    const double first = scenario.machine.true_microjoules() - before;
    const auto measured = static_cast<double>(scenario.runs.back().run->accounts().measured());
    EXPECT_LT(measured, first);
    EXPECT_NEAR(measured / first, static_cast<double>(scenario.ticks) / (scenario.ticks + 1), 0.2);
  }
}

// Runs in separate processes, each with its own meter: together they never
// book more than the device spent, nor less than that without what others took.
TEST_P(Laws, OutermostRunsTogetherBookWhatWasSpentAndNoOtherTook) {
  Chance chance{3000 + static_cast<std::uint64_t>(GetParam())};
  for (int round = 0; round < 60; ++round) {
    Scenario scenario = make_scenario(chance, false);
    Planned whole{.run = std::make_unique<VirtualRun>("zz", scenario.machine), .id = "zz", .ends = scenario.ticks};
    scenario.runs.push_back(std::move(whole));
    play(chance, scenario);
    MicroJoules booked = 0;
    for (const Planned& planned : scenario.runs) {
      const Accounts accounts = planned.run->accounts();
      ASSERT_EQ(accounts.total() + accounts.other + accounts.unattributed, accounts.measured());
      if (planned.parent.empty()) booked += accounts.total();
    }
    const Accounts seen = scenario.runs.back().run->accounts();
    const auto spent = static_cast<double>(seen.measured());
    ASSERT_LE(static_cast<double>(booked), spent * 1.002) << "round " << round;
    if (scenario.foreign_load > 0) continue;  // then `other` holds the foreigner's share too
    ASSERT_GE(static_cast<double>(booked + seen.unattributed), spent * 0.998) << "round " << round;
  }
}

TEST_P(Laws, ANestedRunIsPartOfItsParent) {
  Chance chance{4000 + static_cast<std::uint64_t>(GetParam())};
  int nested = 0;
  for (int round = 0; round < 200; ++round) {
    Scenario scenario = make_scenario(chance, false);
    play(chance, scenario);
    for (const Planned& planned : scenario.runs) {
      if (planned.parent.empty()) continue;
      ++nested;
      const auto own = static_cast<double>(planned.run->accounts().total());
      const auto parents = static_cast<double>(scenario.runs.front().run->accounts().total());
      ASSERT_LE(own, parents * 1.002 + 1e6);
    }
  }
  EXPECT_GT(nested, 20);
}

TEST_P(Laws, ARunThatDoesNothingPaysForNoWork) {
  Chance chance{5000 + static_cast<std::uint64_t>(GetParam())};
  for (int round = 0; round < 60; ++round) {
    Scenario scenario = make_scenario(chance, false);
    play(chance, scenario);
    for (const Planned& planned : scenario.runs) {
      const bool has_nested =
          std::ranges::any_of(scenario.runs, [&](const Planned& p) { return p.parent == planned.id; });
      if (planned.load > 0 || has_nested) continue;
      ASSERT_EQ(planned.run->accounts().busy, 0);
    }
  }
}

TEST_P(Laws, PhasesSumToTheTotalHoweverTheyNest) {
  Chance chance{6000 + static_cast<std::uint64_t>(GetParam())};
  for (int round = 0; round < 300; ++round) {
    EnergyCurve curve;
    Nanoseconds time = 0;
    MicroJoules total = 0;
    for (int i = 0; i < 50; ++i) {
      curve.append(time += 1 + chance.below(1'000'000), total += chance.below(1'000'000));
    }
    std::vector<PhaseSpan> spans;
    for (int i = 0; i < chance.below(12); ++i) {
      const Nanoseconds begin = chance.below(static_cast<int>(time));
      spans.push_back(
          {begin, begin + chance.below(static_cast<int>(time / 3)), "phase" + std::to_string(chance.below(5))});
    }
    const PhaseTimeline timeline{spans};
    const Nanoseconds from = chance.below(static_cast<int>(time / 2));
    const Nanoseconds to = from + 1 + chance.below(static_cast<int>(time / 2));
    const MicroJoules energy = curve.between(from, to);
    const MicroJoules idle = energy / 3;
    const Accounts booked{.busy = energy - idle, .idle = idle};
    MicroJoules sum = 0;
    for (const Entry& entry : entries_of("package:0", booked, curve, from, to, timeline, 0)) sum += entry.energy;
    ASSERT_EQ(sum, booked.total());
    Nanoseconds covered = 0;
    for (const auto& piece : timeline.pieces(from, to)) covered += piece.end - piece.begin;
    ASSERT_EQ(covered, to - from);
  }
}

}  // namespace
}  // namespace everywatt
