#include "base/median.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace everywatt {
namespace {

// By the definition: the least value up to which half of all weight lies.
double by_sorting(std::vector<Weighed> values) {
  std::ranges::sort(values, {}, &Weighed::value);
  double all = 0, so_far = 0;
  for (const Weighed& weighed : values) all += weighed.weight;
  for (const Weighed& weighed : values) {
    so_far += weighed.weight;
    if (so_far >= all / 2) return weighed.value;
  }
  return values.back().value;
}

TEST(WeightedMedian, IsWhatSortingFinds) {
  std::mt19937_64 random{7};
  for (int round = 0; round < 2000; ++round) {
    std::vector<Weighed> values(1 + random() % 40);
    // Whole weights sum exactly in any order; few values make ties.
    for (Weighed& one : values)
      one = {.value = static_cast<double>(random() % 12), .weight = static_cast<double>(random() % 5)};
    EXPECT_EQ(weighted_median(values), by_sorting(values)) << "round " << round;
  }
}

TEST(WeightedMedian, OfOneValueIsThatValue) { EXPECT_EQ(weighted_median({{.value = 3, .weight = 0}}), 3); }

TEST(WeightedMedian, OneThatWeighsMoreThanAllOthersIsIt) {
  EXPECT_EQ(weighted_median({{.value = 9, .weight = 10}, {.value = 1, .weight = 4}, {.value = 2, .weight = 4}}), 9);
}

}  // namespace
}  // namespace everywatt
