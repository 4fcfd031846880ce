// What the run is charged in each span, and that it is the same as what its path is charged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "meter/run_phases.h"

namespace everywatt {
namespace {

using ::testing::SizeIs;

constexpr ProcessKey kFirst{.pid = 10, .start_ticks = 1}, kOther{.pid = 20, .start_ticks = 2};
constexpr Nanoseconds kMs = kMillisecond;
const auto kAll = [](const std::string&) { return true; };

Mark mark(ProcessKey process, Nanoseconds time, decltype(Mark::what) what) {
  return {.time = time, .lane = {.process = process, .thread = process.pid}, .what = std::move(what)};
}

// Ten watts.
EnergyCurve steady(Nanoseconds to) {
  EnergyCurve curve;
  curve.append(0, 0);
  curve.append(to, to / 100);
  return curve;
}

TEST(Spans, EachEpochGetsItsOwnEnergyWithThatOfWhatLiesWithin) {
  RunPhases phases;
  phases.take(mark(kFirst, 100 * kMs, PhaseBegin{1, "epoch"}));
  phases.take(mark(kFirst, 200 * kMs, PhaseBegin{2, "eval"}));
  phases.take(mark(kFirst, 300 * kMs, PhaseEnd{2}));
  phases.take(mark(kFirst, 400 * kMs, PhaseEnd{1}));
  phases.take(mark(kFirst, 400 * kMs, PhaseBegin{3, "epoch"}));
  phases.take(mark(kFirst, 900 * kMs, PhaseEnd{3}));
  (void)phases.entries("package:0", {.busy = 9'000'000, .idle = 1'000'000, .other = 7'000'000}, steady(kSecond), 0,
                       kSecond, 0);
  const auto spans = phases.take_spans(kSecond, kAll);
  ASSERT_THAT(spans, SizeIs(3));
  const Span first{.number = 1, .path = "epoch", .begin = 100 * kMs, .end = 400 * kMs, .energy = 3'000'000};
  const Span eval{.number = 2, .path = "epoch/eval", .begin = 200 * kMs, .end = 300 * kMs, .energy = 1'000'000};
  const Span second{.number = 3, .path = "epoch", .begin = 400 * kMs, .end = 900 * kMs, .energy = 5'000'000};
  EXPECT_EQ(spans[0], first);
  EXPECT_EQ(spans[1], eval);
  EXPECT_EQ(spans[2], second);
}

TEST(Spans, AreToldOnceTheyHaveEndedAndAllOfThemWasBooked) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  (void)phases.entries("d", {.busy = 10}, steady(kSecond), 0, kSecond, 0);
  EXPECT_THAT(phases.take_spans(kSecond, kAll), SizeIs(0));
  phases.take(mark(kFirst, 1500 * kMs, PhaseEnd{1}));
  EXPECT_THAT(phases.take_spans(kSecond, kAll), SizeIs(0));
  EXPECT_THAT(phases.take_spans(2 * kSecond, kAll), SizeIs(1));
  EXPECT_THAT(phases.take_spans(2 * kSecond, kAll), SizeIs(0));
  (void)phases.entries("late", {.busy = 10}, steady(2 * kSecond), kSecond, 2 * kSecond, 0);
  EXPECT_EQ(phases.take_spans(2 * kSecond, kAll).at(0).energy, 15);
}

TEST(Spans, DevicesThatDoNotCountAreNotInThem) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  phases.take(mark(kFirst, kSecond, PhaseEnd{1}));
  (void)phases.entries("package:0", {.busy = 10}, steady(kSecond), 0, kSecond, 0);
  (void)phases.entries("core:0", {.busy = 7}, steady(kSecond), 0, kSecond, 0);
  const auto spans = phases.take_spans(kSecond, [](const std::string& device) { return device == "package:0"; });
  EXPECT_EQ(spans.at(0).energy, 10);
}

TEST(Spans, OneThatItsProcessDidNotEndIsNoSpan) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  phases.take(mark(kFirst, 400 * kMs, ProcessEnd{}));
  EXPECT_THAT(phases.take_spans(kSecond, kAll), SizeIs(0));
}

TEST(Spans, WhatIsEnteredTooOftenIsKeptAtFirstOnly) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  for (std::uint64_t i = 0; i < 3000; ++i) {
    phases.take(mark(kFirst, static_cast<Nanoseconds>(i) * kMs, PhaseBegin{i + 2, "step"}));
    phases.take(mark(kFirst, static_cast<Nanoseconds>(i + 1) * kMs, PhaseEnd{i + 2}));
  }
  phases.take(mark(kFirst, 3 * kSecond, PhaseEnd{1}));
  (void)phases.entries("d", {.busy = 3'000'000}, steady(3 * kSecond), 0, 3 * kSecond, 0);
  const auto spans = phases.take_spans(3 * kSecond, kAll);
  ASSERT_THAT(spans, SizeIs(1 + SpanBook::kMostOfPath));
  EXPECT_EQ(spans[0].energy, 3'000'000);
  EXPECT_EQ(spans[1].energy, 1'000);
}

TEST(Spans, FollowTheirPathWhenWindowsAreBookedAnew) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  phases.take(mark(kFirst, 250 * kMs, PhaseEnd{1}));
  phases.take(mark(kFirst, 250 * kMs, PhaseBegin{2, "epoch"}));
  phases.take(mark(kFirst, kSecond, PhaseEnd{2}));
  const auto before = phases.entries("d", {.busy = 1'000}, steady(kSecond), 0, kSecond, 0);
  phases.rebook_spans("d", before, {{.device = "d", .phase = "epoch", .account = Account::busy, .energy = 1'200}});
  const auto spans = phases.take_spans(kSecond, kAll);
  EXPECT_EQ(spans.at(0).energy, 300);
  EXPECT_EQ(spans.at(1).energy, 900);
}

// Law: where every time is kept, those of a path sum to what it is charged with all that lies within.
TEST(Spans, SumToWhatTheirPathIsCharged) {
  std::mt19937_64 random{11};
  const auto below = [&](std::uint64_t n) { return random() % n; };
  for (int round = 0; round < 200; ++round) {
    RunPhases phases;
    std::map<std::string, MicroJoules> charged;
    std::uint64_t next = 1;
    std::map<std::int32_t, std::vector<std::uint64_t>> open;
    Nanoseconds time = 0;
    const auto process = [](std::int32_t pid) { return pid == kFirst.pid ? kFirst : kOther; };
    for (int window = 0; window < 5; ++window) {
      const Nanoseconds from = window * kSecond, to = from + kSecond;
      EnergyCurve curve = steady(to);
      for (time = from; time < to; time += static_cast<Nanoseconds>(1 + below(200)) * kMs) {
        const std::int32_t pid = below(2) == 0 ? kFirst.pid : kOther.pid;
        auto& stack = open[pid];
        if (stack.size() < 3 && below(2) == 0) {
          stack.push_back(next);
          phases.take(mark(process(pid), time, PhaseBegin{next++, std::string(1, static_cast<char>('a' + below(2)))}));
        } else if (!stack.empty()) {
          phases.take(mark(process(pid), time, PhaseEnd{stack.back()}));
          stack.pop_back();
        }
        phases.note_work("", process(pid), time, time / static_cast<Nanoseconds>(1 + below(3)));
      }
      if (window == 4) {
        for (auto& [pid, stack] : open) {
          for (; !stack.empty(); stack.pop_back()) phases.take(mark(process(pid), to, PhaseEnd{stack.back()}));
        }
      }
      const Accounts booked{.busy = static_cast<MicroJoules>(below(9'000'000)),
                            .idle = static_cast<MicroJoules>(below(9'000'000)),
                            .other = static_cast<MicroJoules>(below(9'000'000))};
      for (const Entry& entry : phases.entries("d", booked, curve, from, to, 0)) {
        if (entry.account != Account::busy && entry.account != Account::idle) continue;
        for (std::string path = entry.phase; !path.empty();) {
          charged[path] += entry.energy;
          const auto slash = path.rfind('/');
          path = slash == path.npos ? "" : path.substr(0, slash);
        }
      }
    }
    std::map<std::string, MicroJoules> of_spans;
    for (const Span& span : phases.take_spans(5 * kSecond, kAll)) {
      if (span.energy != 0) of_spans[span.path] += span.energy;
    }
    ASSERT_EQ(of_spans, charged);
  }
}

}  // namespace
}  // namespace everywatt
