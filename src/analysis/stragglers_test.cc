// Who is named and who is not, over ranks as meter/rank_watch records them.
#include "analysis/stragglers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace everywatt {
namespace {

// As recorded of ranks that worked these parts of a step in each of some steps.
std::vector<RankRecord> records_of(const std::vector<std::vector<double>>& steps) {
  const std::size_t ranks = steps.front().size();
  std::vector<std::vector<double>> lateness(ranks);
  std::vector<RankRecord> records(ranks);
  for (std::vector<double> worked : steps) {
    std::vector<double> sorted = worked;
    std::ranges::sort(sorted);
    const double middle = sorted[ranks / 2], longest = sorted.back();
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      lateness[rank].push_back((worked[rank] - middle) / longest);
      records[rank].energy_waited += static_cast<MicroJoules>((longest - worked[rank]) * 1e6);
      if (worked[rank] == longest) {
        for (const double other : worked)
          records[rank].energy_caused += static_cast<MicroJoules>((longest - other) * 1e6);
      }
    }
  }
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    auto& late = lateness[rank];
    records[rank].rank = static_cast<int>(rank);
    records[rank].steps = steps.size();
    records[rank].late_share = static_cast<double>(std::ranges::count_if(late, [](double l) { return l > 0.1; })) /
                               static_cast<double>(late.size());
    std::ranges::sort(late);
    records[rank].lateness = late[late.size() / 2];
  }
  return records;
}

TEST(Stragglers, ARankThatIsSlowInEveryStepIsNamed) {
  std::mt19937_64 random{1};
  std::normal_distribution jitter{1.0, 0.03};
  std::vector<std::vector<double>> steps;
  for (int i = 0; i < 100; ++i) steps.push_back({jitter(random), jitter(random), 1.3 * jitter(random), jitter(random)});
  const auto found = stragglers(records_of(steps));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rank, 2);
  EXPECT_GT(found[0].steps, 0.9);
  EXPECT_GT(found[0].caused, 0.9);
}

TEST(Stragglers, ARankThatIsSlowInSomeStepsIsNamedWithItsShare) {
  std::mt19937_64 random{2};
  std::normal_distribution jitter{1.0, 0.03};
  std::vector<std::vector<double>> steps;
  for (int i = 0; i < 200; ++i)
    steps.push_back({jitter(random), (i % 8 == 0 ? 1.6 : 1.0) * jitter(random), jitter(random), jitter(random)});
  const auto found = stragglers(records_of(steps));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].rank, 1);
  EXPECT_NEAR(found[0].steps, 1.0 / 8, 0.03);
}

TEST(Stragglers, EqualRanksWithJitterOfTheirOwnOrInCommonAreNotNamed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random{seed};
    std::normal_distribution own{1.0, 0.05}, common{1.0, 0.3};
    std::vector<std::vector<double>> steps;
    for (int i = 0; i < 150; ++i) {
      const double all = std::max(0.2, common(random));
      steps.push_back({all * own(random), all * own(random), all * own(random), all * own(random)});
    }
    EXPECT_TRUE(stragglers(records_of(steps)).empty()) << seed;
  }
}

// Other programs take a processor away now and then: three times it hits rank 1, and nobody else.
TEST(Stragglers, AFewLateStepsMayBeChance) {
  std::vector<std::vector<double>> steps(60, {1, 1, 1, 1});
  for (const std::size_t step : {7u, 21u, 22u}) steps[step][1] = 1.5;
  EXPECT_TRUE(stragglers(records_of(steps)).empty());
  for (const std::size_t step : {30u, 31u, 40u, 41u}) steps[step][1] = 1.5;
  EXPECT_EQ(stragglers(records_of(steps)).size(), 1u);
}

TEST(Stragglers, OverAFewStepsNobodyIsNamed) {
  EXPECT_TRUE(stragglers(records_of(std::vector<std::vector<double>>(10, {1, 1, 2, 1}))).empty());
  EXPECT_TRUE(stragglers({}).empty());
}

}  // namespace
}  // namespace everywatt
