// Looks of sensors, divided over phases.
#include "meter/phase_quantities.h"

#include <gtest/gtest.h>

namespace everywatt {
namespace {

constexpr ProcessKey kFirst{.pid = 10, .start_ticks = 1}, kOther{.pid = 20, .start_ticks = 2};
constexpr Nanoseconds kMs = kMillisecond;

Mark mark(ProcessKey process, Nanoseconds time, decltype(Mark::what) what) {
  return {.time = time, .lane = {.process = process, .thread = process.pid}, .what = std::move(what)};
}

PhaseQuantity of(const PhaseQuantities& book, const RunPhases& phases, const std::string& path,
                 const std::string& name = "sm_utilisation") {
  for (const PhaseQuantity& quantity : book.records(phases)) {
    if (quantity.path == path && quantity.name == name) return quantity;
  }
  return {};
}

PhaseQuantities::Look look(Nanoseconds from, Nanoseconds to, double share) {
  return {.device = "gpu:0",
          .name = "sm_utilisation",
          .from = from,
          .to = to,
          .amount = share * static_cast<double>(to - from) / 1e9};
}

TEST(PhaseQuantities, ALookWithinAPhaseIsAllThePhases) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  PhaseQuantities book;
  book.add(look(0, kSecond, 0.8), phases);
  book.add(look(kSecond, 2 * kSecond, 0.4), phases);
  const PhaseQuantity epoch = of(book, phases, "epoch");
  EXPECT_DOUBLE_EQ(epoch.sum, 1.2);
  EXPECT_EQ(epoch.observed, 2 * kSecond);
  EXPECT_EQ(epoch.resolved, 2 * kSecond);
}

TEST(PhaseQuantities, ALookOverABorderIsDividedByTimeAndKnownToBe) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "load"}));
  phases.take(mark(kFirst, 250 * kMs, PhaseEnd{1}));
  phases.take(mark(kFirst, 250 * kMs, PhaseBegin{2, "train"}));
  PhaseQuantities book;
  book.add(look(0, kSecond, 0.8), phases);
  EXPECT_DOUBLE_EQ(of(book, phases, "load").sum, 0.2);
  EXPECT_DOUBLE_EQ(of(book, phases, "train").sum, 0.6);
  EXPECT_EQ(of(book, phases, "load").observed, 250 * kMs);
  EXPECT_EQ(of(book, phases, "load").resolved, 62'500'000);
  EXPECT_EQ(of(book, phases, "train").resolved, 562'500'000);
}

TEST(PhaseQuantities, APhaseHasWhatLiesWithinIt) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "epoch"}));
  for (int i = 0; i < 5; ++i) {
    const auto number = static_cast<std::uint64_t>(10 + 2 * i);
    phases.take(mark(kFirst, i * 200 * kMs, PhaseBegin{number, "forward"}));
    phases.take(mark(kFirst, i * 200 * kMs + 100 * kMs, PhaseEnd{number}));
  }
  PhaseQuantities book;
  book.add(look(0, kSecond, 0.5), phases);
  EXPECT_DOUBLE_EQ(of(book, phases, "epoch").sum, 0.5);
  EXPECT_EQ(of(book, phases, "epoch").resolved, kSecond) << "the whole look was the epoch's";
  EXPECT_DOUBLE_EQ(of(book, phases, "epoch/forward").sum, 0.25);
  EXPECT_EQ(of(book, phases, "epoch/forward").resolved, 250 * kMs) << "half of half";
  EXPECT_EQ(of(book, phases, "").observed, 0);
}

TEST(PhaseQuantities, WhatPrecedesTheFirstWorkMovesToStartup) {
  RunPhases phases;
  PhaseQuantities book;
  book.add(look(0, kSecond, 0.0), phases);
  phases.note_startup(0, 1500 * kMs);
  book.begin_work();
  book.add(look(kSecond, 2 * kSecond, 0.5), phases);
  EXPECT_EQ(of(book, phases, "startup").observed, 1500 * kMs);
  EXPECT_DOUBLE_EQ(of(book, phases, "startup").sum, 0.25);
  EXPECT_EQ(of(book, phases, "").observed, 500 * kMs);
}

TEST(PhaseQuantities, AGpuIsItsProcessesByWhatTheyWorkedThere) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "train"}));
  phases.take(mark(kOther, 0, PhaseBegin{1, "eval"}));
  for (const auto& [process, worked] : {std::pair{kFirst, 0}, std::pair{kOther, 500}}) {
    phases.note_work("gpu:0", process, 0, 0);
    phases.note_work("gpu:0", process, kSecond, worked * kMs);
  }
  PhaseQuantities book;
  book.add(look(0, kSecond, 0.5), phases);
  EXPECT_DOUBLE_EQ(of(book, phases, "eval").sum, 0.5);
  EXPECT_EQ(of(book, phases, "train").observed, 0);
}

TEST(PhaseQuantities, InputWorkIsThatOfTheProcessThatNamedTheWorkers) {
  RunPhases phases;
  phases.take(mark(kFirst, 0, PhaseBegin{1, "train"}));
  phases.take(mark(kOther, 0, PhaseBegin{1, "eval"}));
  PhaseQuantities book;
  book.add({.device = "", .name = kInputCpuTime, .from = 0, .to = kSecond, .amount = 0.9}, kOther, phases);
  EXPECT_DOUBLE_EQ(of(book, phases, "eval", kInputCpuTime).sum, 0.9);
  EXPECT_DOUBLE_EQ(of(book, phases, "train", kInputCpuTime).sum, 0);
}

}  // namespace
}  // namespace everywatt
