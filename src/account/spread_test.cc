#include "account/spread.h"

#include <gtest/gtest.h>

namespace everywatt {
namespace {

Span epoch(std::uint32_t process, Nanoseconds begin, Nanoseconds end, MicroJoules energy) {
  return {.path = "epoch", .process = process, .begin = begin, .end = end, .energy = energy};
}

TEST(Spread, IsThatOfThePhaseAlone) {
  std::vector<Span> spans{epoch(0, 0, 10, 5), epoch(0, 20, 30, 9), epoch(0, 10, 20, 7)};
  spans.push_back({.path = "epoch/eval", .begin = 5, .end = 6, .energy = 1});
  const auto times = times_of(spans, "epoch");
  const auto spread = spread_of(times);
  ASSERT_TRUE(spread);
  EXPECT_EQ(spread->count, 3u);
  EXPECT_EQ(spread->median, 7);
  EXPECT_EQ(spread->least, 5);
  EXPECT_EQ(spread->most, 9);
  EXPECT_DOUBLE_EQ(*spread->standard_deviation, 2);
}

TEST(Spread, OfOneTimeHasNoDeviationAndOfNoneIsNone) {
  const std::vector<Span> spans{epoch(0, 0, 10, 5)};
  EXPECT_FALSE(spread_of(times_of(spans, "epoch"))->standard_deviation);
  EXPECT_FALSE(spread_of(times_of(spans, "step")));
}

// Two ranks, the second a little behind; one of them begins the next epoch before the other has ended this one.
TEST(Spread, RanksEnterAnEpochTogether) {
  const std::vector<Span> spans{epoch(0, 0, 100, 5), epoch(1, 4, 106, 6), epoch(0, 101, 200, 7), epoch(1, 107, 207, 8)};
  const auto times = times_of(spans, "epoch");
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].energy, 11);
  EXPECT_EQ(times[0].end, 106);
  EXPECT_EQ(times[1].energy, 15);
}

TEST(Spread, ProcessesOneAfterTheOtherDoNot) {
  const std::vector<Span> spans{epoch(0, 0, 100, 5), epoch(1, 100, 200, 6), epoch(2, 200, 300, 7)};
  EXPECT_EQ(times_of(spans, "epoch").size(), 3u);
}

}  // namespace
}  // namespace everywatt
