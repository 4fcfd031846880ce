// What a job says of its phases, and how its energy is divided over them, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "meter/run_phases.h"

namespace everywatt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ProcessKey kFirst{.pid = 10, .start_ticks = 1}, kSecond_{.pid = 20, .start_ticks = 2};
constexpr Nanoseconds kMs = kMillisecond;

Mark mark(ProcessKey process, Nanoseconds time, decltype(Mark::what) what, std::int32_t thread = 0) {
  return {.time = time,
          .lane = {.process = process, .thread = thread == 0 ? process.pid : thread},
          .what = std::move(what)};
}

// Ten watts.
EnergyCurve steady(Nanoseconds to) {
  EnergyCurve curve;
  curve.append(0, 0);
  curve.append(to, to / 100);
  return curve;
}

std::map<std::string, MicroJoules> by_phase(const std::vector<Entry>& entries) {
  std::map<std::string, MicroJoules> sums;
  for (const Entry& entry : entries) sums[entry.phase] += entry.energy;
  return sums;
}

TEST(Phases, TheInnermostPhaseOfTheMainThreadGetsTheEnergy) {
  RunPhases phases;
  phases.take(mark(kFirst, 100 * kMs, PhaseBegin{1, "epoch"}));
  phases.take(mark(kFirst, 200 * kMs, PhaseBegin{2, "eval"}));
  phases.take(mark(kFirst, 300 * kMs, PhaseBegin{9, "elsewhere"}, 11));
  phases.take(mark(kFirst, 500 * kMs, PhaseEnd{2}));
  phases.take(mark(kFirst, 900 * kMs, PhaseEnd{1}));
  const auto sums = by_phase(phases.entries("package:0", {.busy = 10'000'000}, steady(kSecond), 0, kSecond, 0));
  EXPECT_EQ(sums,
            (std::map<std::string, MicroJoules>{{"", 2'000'000}, {"epoch", 5'000'000}, {"epoch/eval", 3'000'000}}));
}

TEST(Phases, BusyFollowsThePowerAndIdleTheTime) {
  RunPhases phases;
  phases.take(mark(kFirst, 500 * kMs, PhaseBegin{1, "burn"}));
  EnergyCurve curve;
  curve.append(0, 0);
  curve.append(500 * kMs, 1'000'000);
  curve.append(kSecond, 4'000'000);
  const auto busy = by_phase(phases.entries("d", {.busy = 4'000'000}, curve, 0, kSecond, 0));
  EXPECT_EQ(busy.at("burn"), 3'000'000);
  const auto idle = by_phase(phases.entries("d", {.idle = 4'000'000}, curve, 0, kSecond, 0));
  EXPECT_EQ(idle.at("burn"), 2'000'000);
}

TEST(Phases, ARunIsDividedOverItsProcessesByWhatEachWorked) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "a"}));
  phases.take(mark(kSecond_, 0, PhaseBegin{1, "b"}));
  for (const Nanoseconds time : {Nanoseconds{0}, kSecond}) {
    phases.note_work("", kFirst, time, time / 4);
    phases.note_work("", kSecond_, time, 3 * time / 4);
    phases.note_work("gpu:1", kFirst, time, time);
  }
  const Accounts booked{.busy = 8'000'000};
  EXPECT_EQ(by_phase(phases.entries("package:0", booked, steady(kSecond), 0, kSecond, 0)).at("b"), 6'000'000);
  EXPECT_EQ(by_phase(phases.entries("gpu:1", booked, steady(kSecond), 0, kSecond, 0)).at("a"), 8'000'000);
}

TEST(Phases, WhereNoneWorkedTheFirstToSpeakHasIt) {
  RunPhases phases;
  phases.take(mark(kSecond_, 0, PhaseBegin{1, "b"}));
  phases.take(mark(kFirst, 1, PhaseBegin{1, "a"}));
  EXPECT_EQ(by_phase(phases.entries("d", {.idle = 5}, steady(kSecond), 10, kSecond, 0)).at("b"), 5);
}

TEST(Phases, APhaseThatEndsTakesThoseWithinItWithItAndSaysSo) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "outer"}));
  phases.take(mark(kFirst, 100 * kMs, PhaseBegin{2, "inner"}));
  phases.take(mark(kFirst, 600 * kMs, PhaseEnd{1}));
  phases.take(mark(kFirst, 700 * kMs, PhaseEnd{2}));
  const auto sums = by_phase(phases.entries("d", {.busy = 10'000'000}, steady(kSecond), 0, kSecond, 0));
  EXPECT_EQ(sums.at(""), 4'000'000);
  EXPECT_THAT(phases.notices(), ElementsAre(HasSubstr("out of order: \"outer\" ended while \"outer/inner\" was open")));
}

TEST(Phases, AProcessThatDiesEndsWhatItHadOpen) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "train"}));
  phases.take(mark(kFirst, 400 * kMs, ProcessEnd{}));
  const auto stats = phases.stats(kSecond);
  ASSERT_EQ(stats.size(), 1u);
  EXPECT_EQ(stats[0].duration, 400 * kMs);
  EXPECT_EQ(by_phase(phases.entries("d", {.busy = 10'000'000}, steady(kSecond), 0, kSecond, 0)).at(""), 6'000'000);
}

TEST(Phases, WaitsAreNamedAsSuchAndOpenOnesAreCounted) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "step"}));
  phases.take(mark(kFirst, 100 * kMs, WaitBegin{2, "allreduce"}));
  const auto stats = phases.stats(300 * kMs);
  ASSERT_EQ(stats.size(), 2u);
  EXPECT_EQ(stats[1].path, "step/wait:allreduce");
  EXPECT_EQ(stats[1].duration, 200 * kMs);
}

TEST(Phases, WhatIsCountedBelongsToTheInnermostPhaseOfItsThread) {
  RunPhases phases;
  const FlopsMark flops{.precision = Precision::bf16, .amount = 1e12 * flop};
  phases.take(mark(kFirst, 0, flops));
  phases.take(mark(kFirst, 1, PhaseBegin{1, "epoch"}));
  phases.take(mark(kFirst, 2, PhaseBegin{2, "eval"}));
  phases.take(mark(kFirst, 3, PhaseBegin{3, "elsewhere"}, 11));
  phases.take(mark(kFirst, 4, flops));
  phases.take(mark(kFirst, 5, FlopsMark{.precision = Precision::bf16, .amount = {}, .kind = FlopsKind::recomputed}));
  phases.take(mark(kFirst, 6, PhaseEnd{2}));
  phases.take(mark(kFirst, 7, flops));
  phases.take(mark(kFirst, 8, CountMark{.unit = CountUnit::tokens, .amount = 5}, 11));
  phases.take(mark(kFirst, 9, flops));
  std::map<std::string, std::map<std::string, double>> work;
  for (const PhaseStat& stat : phases.stats(kSecond)) work[stat.path] = stat.work;
  const decltype(work) expected = {{"epoch", {{"flops_bf16", 2e12}}},
                                   {"epoch/eval", {{"flops_bf16", 1e12}, {"recomputed_flops_bf16", 0}}},
                                   {"elsewhere", {{"tokens", 5}}}};
  EXPECT_EQ(work, expected);
}

TEST(Phases, StartupIsWhatNoPhaseOfTheJobCovers) {
  RunPhases phases;
  phases.note_startup(0, 500 * kMs);
  EXPECT_EQ(by_phase(phases.entries("d", {.idle = 10'000'000}, steady(kSecond), 0, kSecond, 0)).at("startup"),
            5'000'000);
  phases.take(mark(kFirst, 200 * kMs, PhaseBegin{1, "load"}));
  const auto sums = by_phase(phases.entries("d", {.idle = 10'000'000}, steady(kSecond), 0, kSecond, 0));
  EXPECT_EQ(sums.at("startup"), 2'000'000);
  EXPECT_EQ(sums.at("load"), 8'000'000);
}

TEST(Phases, NumbersInNamesDoNotFillTheLedger) {
  RunPhases phases;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const auto time = static_cast<Nanoseconds>(i) * kMs / 10;
    phases.take(mark(kFirst, time, PhaseBegin{i + 1, "step " + std::to_string(i)}));
    phases.take(mark(kFirst, time + kMs / 20, PhaseEnd{i + 1}));
  }
  EXPECT_LE(phases.stats(kSecond).size(), 1001u);
  EXPECT_THAT(phases.notices(), ElementsAre(HasSubstr("further ones stand together")));
}

TEST(Phases, PartsSumToTheWholeWhateverIsSaid) {
  std::mt19937_64 random{7};
  const auto below = [&](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    RunPhases phases;
    EnergyCurve curve;
    curve.append(0, 0);
    for (int i = 1; i <= 10; ++i)
      curve.append(i * 100 * kMs, curve.points().back().total + static_cast<MicroJoules>(below(2) * below(5'000'000)));
    Nanoseconds time = 0;
    for (int i = 0; i < 60; ++i) {
      time += static_cast<Nanoseconds>(below(30)) * kMs;
      const ProcessKey process{.pid = static_cast<std::int32_t>(10 + below(3)), .start_ticks = 1};
      const std::uint64_t span = 1 + below(12);
      const auto thread = static_cast<std::int32_t>(below(4) == 0 ? 99 : 0);
      if (below(2) == 0) {
        phases.take(mark(process, time, PhaseBegin{span, std::string(1, static_cast<char>('a' + below(4)))}, thread));
      } else if (below(8) == 0) {
        phases.take(mark(process, time, ProcessEnd{}));
      } else {
        phases.take(mark(process, time, PhaseEnd{span}, thread));
      }
      phases.note_work("", process, time, time / static_cast<Nanoseconds>(1 + below(4)));
    }
    if (below(2) == 0) phases.note_startup(0, static_cast<Nanoseconds>(below(900)) * kMs);
    const Accounts booked{.busy = static_cast<MicroJoules>(below(9'000'000)),
                          .idle = static_cast<MicroJoules>(below(9'000'000)),
                          .other = static_cast<MicroJoules>(below(9'000'000)),
                          .unattributed = static_cast<MicroJoules>(below(9'000'000))};
    const Nanoseconds from = static_cast<Nanoseconds>(below(400)) * kMs,
                      to = from + 1 + static_cast<Nanoseconds>(below(600)) * kMs;
    phases.forget_before(from);
    Accounts sum;
    for (const Entry& entry : phases.entries("d", booked, curve, from, to, 0)) {
      ASSERT_GT(entry.energy, 0);
      sum[entry.account] += entry.energy;
    }
    ASSERT_EQ(sum, booked);
  }
}

}  // namespace
}  // namespace everywatt
