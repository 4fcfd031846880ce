// How seldom a call that costs much is made.
#include "sources/call_cost.h"

#include <gtest/gtest.h>

#include <thread>

namespace everywatt {
namespace {

using namespace std::chrono_literals;

int times(const Spacing& spacing, std::uint64_t shift, std::uint64_t ticks) {
  int due = 0;
  for (std::uint64_t tick = 17'000; tick < 17'000 + ticks; ++tick) due += spacing.is_due(tick, shift);
  return due;
}

TEST(Spacing, WhatCostsLittleIsDoneWithEveryReading) {
  EXPECT_TRUE(Spacing{}.is_each());
  EXPECT_TRUE(Spacing{20 * kMillisecond / 1000}.is_each());
  EXPECT_EQ(times(Spacing{300'000}, 3, 100), 100);
}

TEST(Spacing, WhatCostsMoreIsDoneSeldomerButOnceASecond) {
  EXPECT_EQ(Spacing{kMillisecond}.length(), 400 * kMillisecond);
  EXPECT_EQ(times(Spacing{kMillisecond}, 0, 100), 25);
  EXPECT_EQ(Spacing{3 * kMillisecond}.length(), kSecond);
  EXPECT_EQ(Spacing{kSecond}.length(), kSecond);
}

TEST(Spacing, GpusTakeTurns) {
  const Spacing spacing{3 * kMillisecond};
  for (std::uint64_t tick = 40; tick < 60; ++tick) {
    int due = 0;
    for (std::uint64_t gpu = 0; gpu < 10; ++gpu) due += spacing.is_due(tick, gpu);
    EXPECT_EQ(due, 1) << tick;
  }
}

TEST(Spacing, ACallThatHangsIsNotMadeAgain) {
  int calls = 0;
  const Spacing spacing = Spacing::measured([&] {
    ++calls;
    std::this_thread::sleep_for(120ms);
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(spacing.length(), kSecond);
}

TEST(Spacing, TheShortestOfSomeCallsIsWhatItCosts) {
  int calls = 0;
  const Spacing spacing = Spacing::measured([&] { std::this_thread::sleep_for(calls++ == 1 ? 2ms : 50ms); });
  EXPECT_GE(spacing.cost(), 2 * kMillisecond);
  EXPECT_LT(spacing.cost(), 40 * kMillisecond);
}

}  // namespace
}  // namespace everywatt
