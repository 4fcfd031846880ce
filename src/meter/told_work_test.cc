#include "meter/told_work.h"

#include <gtest/gtest.h>

#include <vector>

namespace everywatt {
namespace {

constexpr Nanoseconds kPiece = 100 * kMillisecond;

// Pieces of a tenth of a second, by how much of each was work.
ToldWork told(const std::vector<double>& shares) {
  ToldWork work;
  Nanoseconds begin = 0;
  for (const double share : shares) {
    work.take({.begin = begin,
               .end = begin + kPiece,
               .worked = static_cast<Nanoseconds>(share * static_cast<double>(kPiece)),
               .is_ready = share > 0});
    begin += kPiece;
  }
  return work;
}

double worked_ms(const ToldWork& work, Nanoseconds ms) { return work.until(ms * kMillisecond).worked / 1e6; }

TEST(ToldWork, BetweenWorkAndQuietOneEndsAndTheOtherBegins) {
  const ToldWork ends = told({1, 0.6, 0}), begins = told({0, 0.6, 1});
  EXPECT_NEAR(worked_ms(ends, 160), 160, 1e-6);
  EXPECT_NEAR(worked_ms(ends, 190), 160, 1e-6);
  EXPECT_NEAR(worked_ms(begins, 140), 0, 1e-6);
  EXPECT_NEAR(worked_ms(begins, 150), 10, 1e-6);
  EXPECT_EQ(ends.until(150 * kMillisecond).doubt, 0);
}

TEST(ToldWork, APauseOverTwoPiecesIsOnePause) {
  const ToldWork work = told({1, 0.6, 0.3, 1});
  EXPECT_NEAR(worked_ms(work, 160), 160, 1e-6);
  EXPECT_NEAR(worked_ms(work, 270), 160, 1e-6);
  EXPECT_NEAR(worked_ms(work, 300), 190, 1e-6);
  EXPECT_EQ(work.until(250 * kMillisecond).doubt, 0);
}

TEST(ToldWork, ABurstOverTwoPiecesIsOneBurst) {
  const ToldWork work = told({0, 0.2, 0.3, 0});
  EXPECT_NEAR(worked_ms(work, 180), 0, 1e-6);
  EXPECT_NEAR(worked_ms(work, 230), 50, 1e-6);
}

TEST(ToldWork, APauseWithinAPieceMayBeAnywhereInIt) {
  const ToldWork work = told({1, 0.6, 1});
  const auto part = work.until(150 * kMillisecond);
  EXPECT_NEAR(part.worked / 1e6, 130, 1e-6);
  EXPECT_NEAR(part.doubt / 1e6, 20, 1e-6);
  EXPECT_EQ(work.until(200 * kMillisecond).doubt, 0);
}

TEST(ToldWork, SaysWhenNobodyWorkedAndWhetherClocksWereUp) {
  const ToldWork work = told({1, 0, 0, 1});
  EXPECT_TRUE(work.is_quiet(110 * kMillisecond, 290 * kMillisecond));
  EXPECT_FALSE(work.is_quiet(90 * kMillisecond, 200 * kMillisecond));
  EXPECT_FALSE(work.is_quiet(-kMillisecond, 0)) << "before what is told nothing is known";
  EXPECT_TRUE(work.is_ready(0, 100 * kMillisecond));
  EXPECT_FALSE(work.is_ready(0, 101 * kMillisecond));
}

TEST(ToldWork, ForgetsWhatEndedBeforeAndKeepsTheLastAndEightSecondsAtMost) {
  ToldWork work = told(std::vector<double>(100, 0.5));
  EXPECT_EQ(work.end(), 10 * kSecond);
  EXPECT_EQ(work.begin(), 2 * kSecond - kPiece) << "the piece that ends eight seconds ago did not end before";
  const double worked = work.until(9 * kSecond).worked;
  work.forget_before(5 * kSecond);
  EXPECT_EQ(work.begin(), 5 * kSecond - kPiece);
  EXPECT_EQ(work.until(9 * kSecond).worked, worked);
  work.forget_before(20 * kSecond);
  EXPECT_EQ(work.all().size(), 1u);
  work.take({.begin = 10 * kSecond, .end = 30 * kSecond, .worked = kSecond});
  EXPECT_EQ(work.all().size(), 1u) << "longer than is kept, and the last";
}

TEST(ToldWork, BeginsAnewWhereItDoesNotFollow) {
  ToldWork work = told({1, 1});
  EXPECT_FALSE(work.take({.begin = 3 * kPiece, .end = 4 * kPiece, .worked = kPiece}));
  EXPECT_EQ(work.begin(), 3 * kPiece);
  EXPECT_TRUE(work.take({.begin = 4 * kPiece, .end = 5 * kPiece}));
  EXPECT_FALSE(work.take({.begin = 5 * kPiece, .end = 6 * kPiece, .is_told = false}));
  EXPECT_TRUE(work.empty());
}

}  // namespace
}  // namespace everywatt
