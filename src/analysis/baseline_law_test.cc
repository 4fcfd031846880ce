// How often a verdict is wrong, over many runs whose truth is known: epochs that lie apart by chance, some of them far.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "analysis/baseline.h"

namespace everywatt {
namespace {

constexpr int kTrials = 1000;

struct World {
  double spread = 0.02;       // of an epoch's energy, relative
  double stragglers = 0;      // share of epochs that lie three times as far
  std::mt19937_64 random{1};  // of each test its own beginning

  Profile run(std::size_t epochs, double factor) {
    std::normal_distribution<double> normal;
    std::bernoulli_distribution is_straggler{stragglers};
    Profile profile{.run = "r", .name = "m", .model = "m", .hardware = "h", .boundary = "components"};
    profile.phase = "epoch";
    profile.energy = 1;
    Nanoseconds at = 0;
    for (std::size_t i = 0; i < epochs; ++i) {
      const double far = is_straggler(random) ? 3 : 1;
      const double joules = 500 * factor * std::exp(spread * far * normal(random));
      const auto length = std::llround(10e9 * std::exp(spread / 2 * far * normal(random)));
      profile.times.push_back({at, at + length, std::llround(joules * 1e6)});
      at += length;
    }
    return profile;
  }

  // How often this is the verdict of a run whose epochs take `factor` times as much; it may follow from the baseline.
  template <class Factor>
  double share_of(Comparison::Verdict verdict, std::size_t epochs, const CompareOptions& options, Factor factor) {
    int found = 0;
    for (int trial = 0; trial < kTrials; ++trial) {
      const Profile before = run(epochs, 1);
      const Profile after = run(epochs, factor(before));
      found += compare(before, after, options).verdict == verdict ? 1 : 0;
    }
    return static_cast<double>(found) / kTrials;
  }
  template <class Factor>
  double found_worse(std::size_t epochs, const CompareOptions& options, Factor factor) {
    return share_of(Comparison::Verdict::worse, epochs, options, factor);
  }
};

class BaselineLaw : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Epochs, BaselineLaw, ::testing::Values(3, 4, 5, 8, 20));

TEST_P(BaselineLaw, NoiseIsSeldomTakenForAChange) {
  World world, with_stragglers{.stragglers = 0.1};
  const auto alike = [](const Profile&) { return 1.0; };
  EXPECT_LE(world.found_worse(GetParam(), {.tolerance = 0}, alike), 0.05);
  EXPECT_LE(with_stragglers.found_worse(GetParam(), {.tolerance = 0}, alike), 0.05);
}

TEST_P(BaselineLaw, WhatIsJustTolerableIsSeldomTakenForMore) {
  World world;
  EXPECT_LE(world.found_worse(GetParam(), {.tolerance = 0.02}, [](const Profile&) { return 1.02; }), 0.05);
}

TEST_P(BaselineLaw, AnIncreaseThatIsSaidToBeSeenIsSeldomMissed) {
  World world, with_stragglers{.stragglers = 0.1};
  const auto stated = [](const Profile& before) { return 1 + *detectable_increase(before); };
  EXPECT_GE(world.found_worse(GetParam(), {}, stated), 0.9);
  EXPECT_GE(with_stragglers.found_worse(GetParam(), {}, stated), 0.9);
}

TEST(BaselineLaw, FivePercentStandOutFromEpochsThatLieOneAndAHalfApart) {
  World world{.spread = 0.015};
  EXPECT_GE(world.found_worse(10, {}, [](const Profile&) { return 1.05; }), 0.9);
  EXPECT_LE(world.found_worse(10, {}, [](const Profile&) { return 1.0; }), 0.05);
  // And of what is alike nearly always so much is said.
  EXPECT_GE(world.share_of(Comparison::Verdict::no_worse, 10, {}, [](const Profile&) { return 1.0; }), 0.9);
  EXPECT_LE(world.share_of(Comparison::Verdict::no_worse, 10, {}, [](const Profile&) { return 1.05; }), 0.05);
}

}  // namespace
}  // namespace everywatt
