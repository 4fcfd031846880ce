#include "analysis/baseline.h"

#include <gmock/gmock.h>

#include <cmath>

namespace everywatt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Epochs one after the other, of these joules and ten seconds each.
Profile profile_with(const std::vector<double>& joules) {
  Profile profile{.run = "r", .name = "digits", .model = "digits", .hardware = "a processor", .boundary = "components"};
  profile.phase = "epoch";
  profile.energy = 0;
  for (const double energy : joules) {
    const Nanoseconds begin = profile.times.empty() ? 0 : profile.times.back().end;
    profile.times.push_back({begin, begin + 10 * kSecond, std::llround(energy * 1e6)});
    *profile.energy += profile.times.back().energy;
  }
  return profile;
}

TEST(Baseline, WhatChangedAroundItIsToldByName) {
  Profile before = profile_with({1}), after = profile_with({1});
  before.environment = {{"torch", "2.4.0"}, {"kernel", "6.1"}, {"cudnn", "9.1"}, {"working_directory", "/a"}};
  after.environment = {{"torch", "2.4.1"}, {"kernel", "6.1"}, {"nccl", "2.21"}, {"working_directory", "/b"}};
  EXPECT_THAT(changes_between(before, after),
              ElementsAre(Change{"cudnn", "9.1", std::nullopt}, Change{"nccl", std::nullopt, "2.21"},
                          Change{"torch", "2.4.0", "2.4.1"}));
}

TEST(Baseline, OtherHardwareAndBoundariesAreRefusedUnlessAllowed) {
  const Profile before = profile_with({1});
  Profile after = before;
  EXPECT_TRUE(check_comparable(before, after, Allow::nothing));
  after.boundary = "node";
  EXPECT_THAT(check_comparable(before, after, Allow::nothing).error().what, HasSubstr("counts the node"));
  after.hardware = "another";
  EXPECT_THAT(check_comparable(before, after, Allow::nothing).error().what, HasSubstr("other hardware (another)"));
  EXPECT_TRUE(check_comparable(before, after, Allow::other_hardware));
}

TEST(Baseline, TwoEpochsSayNothingOfTheirSpread) {
  const Comparison comparison = compare(profile_with({1, 1.01, 1.02, 1}), profile_with({2, 2}));
  EXPECT_EQ(comparison.verdict, Comparison::Verdict::inconclusive);
  EXPECT_THAT(comparison.reason, HasSubstr("the baseline has 4, the run 2"));
  EXPECT_FALSE(detectable_increase(profile_with({1, 1})));
}

TEST(Baseline, AnIncreaseBeyondTheSpreadIsWorseAndADecreaseIsNot) {
  const Profile before = profile_with({100, 101, 99, 100, 100.5, 99.5}),
                more = profile_with({105, 106, 104, 105, 105.5, 104.5});
  const Comparison worse = compare(before, more);
  ASSERT_TRUE(worse.energy);
  EXPECT_EQ(worse.verdict, Comparison::Verdict::worse);
  EXPECT_NEAR(worse.energy->value, 1.05, 0.001);
  EXPECT_LT(worse.energy->low, 1.05);
  EXPECT_GT(worse.energy->high, 1.05);
  EXPECT_EQ(worse.time->outcome, Outcome::same);
  const Comparison better = compare(more, before);
  EXPECT_EQ(better.verdict, Comparison::Verdict::no_worse);
  EXPECT_EQ(better.energy->outcome, Outcome::better);
}

TEST(Baseline, AnIncreaseWithinTheToleranceIsLetPass) {
  const Profile before = profile_with({100, 100.1, 99.9, 100, 100.05}),
                more = profile_with({101.5, 101.6, 101.4, 101.5, 101.55});
  EXPECT_EQ(compare(before, more).verdict, Comparison::Verdict::worse);
  EXPECT_EQ(compare(before, more, {.tolerance = 0.02}).verdict, Comparison::Verdict::no_worse);
}

TEST(Baseline, AFirstEpochThatWarmsUpDoesNotHideAChange) {
  const Comparison comparison = compare(profile_with({180, 100, 101, 99, 100.5, 99.5, 100, 100.2}),
                                        profile_with({185, 106, 107, 105, 106.5, 105.5, 106, 106.2}));
  EXPECT_EQ(comparison.verdict, Comparison::Verdict::worse);
}

TEST(Baseline, WhoCouldNotHaveSeenAChangeDoesNotSayThatThereIsNone) {
  const Comparison comparison = compare(profile_with({100, 130, 80, 110}), profile_with({110, 90, 125, 85}));
  EXPECT_EQ(comparison.verdict, Comparison::Verdict::inconclusive);
  EXPECT_THAT(comparison.reason, HasSubstr("the spread is wide"));
}

TEST(Baseline, EpochsThatAreAllAlikeAreComparedToo) {
  EXPECT_EQ(compare(profile_with({1, 1, 1}), profile_with({1, 1, 1})).verdict, Comparison::Verdict::no_worse);
  EXPECT_EQ(compare(profile_with({1, 1, 1}), profile_with({1.2, 1.2, 1.2})).verdict, Comparison::Verdict::worse);
}

TEST(Baseline, ARunWithoutAFigureIsNotCompared) {
  Profile after = profile_with({1, 1, 1});
  after.energy.reset();
  EXPECT_EQ(compare(profile_with({1, 1, 1}), after).verdict, Comparison::Verdict::inconclusive);
}

TEST(Profile, FindsAPhaseByItsPathOrItsEnd) {
  Bill bill{.run = {.id = "r"}};
  bill.phases = {{.path = ""}, {.path = "train"}, {.path = "train/epoch"}};
  EXPECT_EQ(profile_of(bill, "epoch")->phase, "train/epoch");
  EXPECT_EQ(profile_of(bill, "train")->phase, "train");
  EXPECT_THAT(profile_of(bill, "eval").error().what, HasSubstr("expected one of train, train/epoch"));
  bill.phases.push_back({.path = "finetune/epoch"});
  EXPECT_THAT(profile_of(bill, "epoch").error().what, HasSubstr("several"));
}

}  // namespace
}  // namespace everywatt
