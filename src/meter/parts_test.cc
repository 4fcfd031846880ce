// The smaller parts of the meter: a channel's readings, activity, floors,
// tenancy.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "meter/activity.h"
#include "meter/channel_meter.h"
#include "meter/floor.h"
#include "meter/floor_board.h"
#include "meter/hunts.h"
#include "meter/tenancy.h"
#include "meter/tick_phase.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kTick = 100 * kMillisecond;

Stamp at(Nanoseconds time) { return {time, time}; }

TEST(ChannelMeter, InstantPowerIsATrapezoid) {
  ChannelMeter meter{{.kind = ChannelKind::power, .method = Method::integrated}, kTick};
  meter.take(at(0), 10'000'000);
  meter.take(at(kSecond / 10), 20'000'000);
  EXPECT_EQ(meter.curve().at(kSecond / 10), 1'500'000);
}

TEST(ChannelMeter, AMeanOverASecondStandsHalfASecondBeforeItsStamp) {
  ChannelMeter meter{{.kind = ChannelKind::power, .method = Method::integrated, .window = kSecond}, kTick};
  // 10 W until second 5, 30 W from then on: the mean climbs from 5 to 6.
  for (int i = 0; i <= 100; ++i) {
    const double share = std::clamp(i / 10.0 - 5, 0.0, 1.0);
    meter.take(at(i * kTick), static_cast<std::uint64_t>((10 + 20 * share) * 1e6));
  }
  EXPECT_NEAR(static_cast<double>(meter.curve().between(kSecond, 5 * kSecond)), 40e6, 2.6e6);
  EXPECT_NEAR(static_cast<double>(meter.curve().between(kSecond, 9 * kSecond)), 160e6, 0.1e6);
}

TEST(ChannelMeter, MeansOverASecondLaidEndToEndShowAStepJustBeforeTheEnd) {
  ChannelMeter meter{{.kind = ChannelKind::power, .method = Method::integrated, .window = kSecond}, kTick};
  for (int i = 0; i <= 55; ++i) {
    const double share = std::clamp(i / 10.0 - 5, 0.0, 1.0);  // of the last second, at 30 W after 10 W
    meter.take(at(i * kTick), static_cast<std::uint64_t>((10 + 20 * share) * 1e6));
  }
  meter.finish(5'500 * kMillisecond);
  EXPECT_NEAR(static_cast<double>(meter.curve().between(0, 5'500 * kMillisecond)), 65e6, 0.1e6);
}

TEST(ChannelMeter, WhatALaggingSensorHasNotShownAtTheEndIsTakenAsTheLastThatItHas) {
  ChannelMeter meter{{.kind = ChannelKind::power, .method = Method::integrated, .period = kTick, .window = kSecond},
                     kTick};
  for (int i = 0; i <= 50; ++i) meter.take(at(i * kTick), 10'000'000);
  meter.finish(5 * kSecond);
  EXPECT_NEAR(static_cast<double>(meter.curve().between(kSecond, 5 * kSecond)), 40e6, 1);
}

TEST(ChannelMeter, ACounterThatMovesTenTimesASecondIsHalfAPeriodOldOnAverage) {
  ChannelMeter meter{{.period = kTick}, kTick};
  meter.take(at(kSecond), 0);
  meter.take(at(2 * kSecond), 100'000'000);
  EXPECT_EQ(meter.curve().at(2 * kSecond - kTick / 2), 100'000'000);
}

TEST(ChannelMeter, PowerOverALongSilenceIsNotInvented) {
  ChannelMeter meter{{.kind = ChannelKind::power, .method = Method::integrated}, kTick};
  meter.take(at(0), 10'000'000);
  meter.take(at(6 * kSecond), 10'000'000);
  meter.take(at(7 * kSecond), 10'000'000);
  EXPECT_EQ(meter.curve().at(7 * kSecond), 10'000'000);
  EXPECT_EQ(meter.curve().observed(0, 7 * kSecond), kSecond);
  EXPECT_EQ(meter.take_silences().size(), 1u);
  EXPECT_GT(meter.random_uncertainty(), 30e6);
}

TEST(ChannelMeter, WhatResetsHideIsMissingEachTime) {
  ChannelMeter meter{{.scale = {1000, 1}}, kTick};  // mJ
  std::uint64_t counted = 7'000'000;
  for (int tick = 0; tick <= 100; ++tick, counted += 10'000) {  // 100 W
    if (tick > 0 && tick % 10 == 0) counted = 0;
    meter.take(at(tick * kTick), counted);
  }
  const double missing = 100e6 * 10 - static_cast<double>(meter.curve().at(10 * kSecond));
  EXPECT_NEAR(missing, 100e6, 1);  // a tick's worth, ten times
  EXPECT_GE(2 * meter.random_uncertainty(), missing);
}

TEST(ChannelMeter, PerfCountsAreExactBinaryFractionsOfAJoule) {
  ChannelMeter meter{{.scale = {15'625, 67'108'864}}, kTick};  // 2^-32 J
  meter.take(at(0), 0);
  meter.take(at(kTick), std::uint64_t{3} << 32);
  EXPECT_EQ(meter.curve().at(kTick), 3'000'000);
}

TEST(TickPhase, FindsThePeriodAndThePhaseFromFourHunts) {
  const Nanoseconds period = 101'700'000, phase = 33 * kMillisecond;
  TickPhase ticks{kTick};
  std::int64_t shown = -1;
  for (const Nanoseconds from : {Nanoseconds{0}, 3 * kTick, 12 * kTick, 40 * kTick}) {
    for (int i = 0; i < 22; ++i) {
      const Nanoseconds now = from + 5 * kMillisecond * i;
      const std::int64_t tick = (now - phase + 10 * period) / period;
      ticks.take(now, i > 0 && tick != shown);
      shown = tick;
    }
  }
  EXPECT_NEAR(static_cast<double>(ticks.period()), 101.7e6, 0.2e6);
  const auto renewed = ticks.renewed(8 * kSecond);
  ASSERT_TRUE(renewed);
  const Nanoseconds truth = 8 * kSecond - (8 * kSecond - phase) % period;
  EXPECT_NEAR(static_cast<double>(*renewed), static_cast<double>(truth), 12e6);
}

TEST(TickPhase, SaysNothingWhereItHasSeenNothing) {
  TickPhase ticks{kTick};
  for (int i = 0; i < 50; ++i) ticks.take(i * kTick, true);
  EXPECT_FALSE(ticks.renewed(5 * kSecond));
  EXPECT_EQ(ticks.half_width(5 * kSecond), kTick / 2);
}

TEST(TickPhase, DoesNotCarryOnForLongerThanItsPeriodIsKnown) {
  TickPhase ticks{kTick};
  ticks.take(0, false);
  ticks.take(5 * kMillisecond, true);
  EXPECT_TRUE(ticks.renewed(200 * kMillisecond));
  EXPECT_FALSE(ticks.renewed(10 * kSecond));
}

TEST(ChannelMeter, WantsAHuntWhileItsRegisterMovesAndItsRenewalsAreNotKnown) {
  ChannelMeter meter{{.kind = ChannelKind::power, .period = kTick, .window = kSecond}, kTick};
  for (int i = 0; i < 5; ++i) meter.take(at(i * kTick), 200'000);
  EXPECT_FALSE(meter.wants_hunt(kSecond)) << "nothing to be seen";
  for (int i = 5; i < 8; ++i) meter.take(at(i * kTick), 200'000 + static_cast<std::uint64_t>(i));
  EXPECT_TRUE(meter.wants_hunt(kSecond));
  for (const Nanoseconds from : {kSecond, kSecond + kSecond / 2, 2 * kSecond}) {
    for (int i = 0; i < 22; ++i) {
      const Nanoseconds now = from + 5 * kMillisecond * i;
      meter.take(at(now), 300'000 + static_cast<std::uint64_t>((now + 33 * kMillisecond) / kTick));
    }
  }
  EXPECT_FALSE(meter.wants_hunt(3 * kSecond)) << "they are known";
  meter.take(at(3 * kSecond), 400'000);
  EXPECT_TRUE(meter.wants_hunt(600 * kSecond)) << "not for ever";
}

TEST(Hunts, AreMadeAtTheStartUntilRenewalsAreKnownAndWhenTheyWillNotBe) {
  using Need = Hunts::Need;
  Hunts hunts;
  EXPECT_TRUE(hunts.is_due(0, Need::unknown));
  EXPECT_FALSE(hunts.is_due(kTick, Need::unknown));
  EXPECT_TRUE(hunts.is_due(kSecond / 2, Need::unknown));
  EXPECT_FALSE(hunts.is_due(kSecond, Need::none));
  EXPECT_TRUE(hunts.is_due(2 * kSecond, Need::none)) << "one that was planned";
  EXPECT_EQ(hunts.next(), 30 * kSecond);
  EXPECT_FALSE(hunts.is_due(5 * kSecond, Need::none));
  EXPECT_FALSE(hunts.is_due(5 * kSecond, Need::unknown)) << "there is nothing to be seen";
  EXPECT_TRUE(hunts.is_due(5 * kSecond, Need::vague));
  EXPECT_FALSE(hunts.is_due(5 * kSecond + kTick, Need::vague)) << "give it time";
  EXPECT_GT(hunts.next(), 6 * kSecond);
  EXPECT_FALSE(hunts.is_due(8 * kSecond, Need::none)) << "it helped";
  EXPECT_EQ(hunts.next(), 30 * kSecond);
  EXPECT_TRUE(hunts.is_due(30 * kSecond, Need::none));
}

TEST(Hunts, ThatAreOfNoUseAreHardlyMoreThanPlanned) {
  Hunts hunts;
  int many = 0;
  for (Nanoseconds ran = 0; ran < 600 * kSecond; ran += kTick) many += hunts.is_due(ran, Hunts::Need::vague);
  EXPECT_GE(many, 20);
  EXPECT_LE(many, 50);
  hunts.begin_anew();
  EXPECT_TRUE(hunts.is_due(601 * kSecond, Hunts::Need::none));
}

TEST(Hunts, ThatAreDearAreMadeEverMoreSeldom) {
  using Need = Hunts::Need;
  Hunts hunts;
  std::vector<Nanoseconds> made;
  for (Nanoseconds ran = 0; ran < 100 * kSecond; ran += kTick) {
    if (hunts.is_due(ran, ran < kSecond ? Need::unknown : Need::vague, Hunts::Price::dear)) made.push_back(ran);
  }
  EXPECT_EQ(made, (std::vector<Nanoseconds>{0, kSecond / 2, 3 * kSecond / 2, 9 * kSecond / 2, 27 * kSecond / 2,
                                            81 * kSecond / 2}));
  EXPECT_TRUE(hunts.is_due(122 * kSecond, Need::unknown, Hunts::Price::dear)) << "lost";
  EXPECT_TRUE(hunts.is_due(123 * kSecond, Need::unknown, Hunts::Price::dear)) << "so the period is found anew";
  hunts.begin_anew();
  EXPECT_TRUE(hunts.is_due(123 * kSecond + kTick, Need::unknown, Hunts::Price::dear));
}

TEST(ChannelMeter, CalibrationScalesAndShifts) {
  ChannelMeter meter{{.scale = {950'000, 1'000'000}, .offset = 5.0 * watt}, kTick};
  meter.take(at(0), 0);
  for (int i = 1; i <= 10; ++i) meter.take(at(i * kTick), static_cast<std::uint64_t>(i) * 10'000'000);
  EXPECT_EQ(meter.curve().at(kSecond), 100'000'000);
}

constexpr auto kAlone = Company::alone;
constexpr auto kShared = Company::shared;
Nanoseconds evenly(const Activity::Piece& piece) { return piece.end - piece.begin; }

TEST(Activity, WhatTheKernelHasNotShownYetIsOwedNotInvented) {
  Activity activity{2};
  activity.take(0, 0);
  activity.take(kSecond, 990'000'000);
  EXPECT_EQ(activity.close(kSecond, kAlone, evenly).front().worked, kSecond);
  activity.take(2 * kSecond, 2'000'000'000);
  EXPECT_EQ(activity.close(kSecond, kAlone, evenly).front().worked, kSecond);
}

TEST(Activity, OnASharedHostWhatTheKernelHasNotShownYetWaits) {
  Activity activity{2};
  activity.take(0, 0);
  activity.take(kSecond, 990'000'000);
  const auto first = activity.close(kSecond, kShared, evenly).front();
  EXPECT_EQ(first.worked, 990'000'000);
  EXPECT_EQ(first.ours, 990'000'000);
  activity.take(2 * kSecond, 2'000'000'000);
  const auto second = activity.close(kSecond, kShared, evenly).front();
  EXPECT_EQ(second.worked, 1'010'000'000);
  EXPECT_EQ(second.ours, 1'010'000'000);
}

TEST(Activity, AKernelThatNeverShowsOurWorkIsNotWaitedForForEver) {
  Activity activity{2};
  activity.take(0, 0);
  Nanoseconds ours = 0;
  for (int second = 1; second <= 10; ++second) {
    activity.take(second * kSecond, 0);
    ours += activity.close(kSecond / 2, kShared, evenly).front().ours;
  }
  EXPECT_EQ(ours, 5 * kSecond - 100 * kMillisecond);
}

TEST(Activity, AReadingOfAnotherRunDividesOurs) {
  Activity activity{2};
  activity.take(0, 0);
  activity.take(kSecond, 800);
  activity.take_between(kSecond / 4, 600);
  activity.take_between(kSecond, 700);      // ours stands
  activity.take_between(2 * kSecond, 900);  // ours ends before
  const auto pieces = activity.close(0, kAlone, evenly);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].end, kSecond / 4);
  EXPECT_EQ(pieces[0].worked, 600);
  EXPECT_EQ(pieces[1].worked, 200);
}

TEST(Activity, ACounterThatFallsIsNoWork) {
  Activity activity{2};
  activity.take(0, 500);
  activity.take(kSecond, 400);
  EXPECT_EQ(activity.close(0, kAlone, evenly).front().worked, 0);
}

TEST(Activity, PiecesKeepTheirSumWhateverIsOurs) {
  std::mt19937_64 random{9};
  for (int round = 0; round < 2000; ++round) {
    Activity activity{4};
    Nanoseconds time = 0;
    std::uint64_t worked = 0;
    activity.take(time, worked);
    Nanoseconds read = 0;
    for (int i = 0; i < 10; ++i) {
      time += kTick;
      const std::uint64_t more = random() % 400'000'000;
      worked += more;
      read += static_cast<Nanoseconds>(more);
      activity.take(time, worked);
    }
    const auto ours = static_cast<Nanoseconds>(random() % 4'000'000'000);
    Nanoseconds sum = 0, ours_in_pieces = 0;
    for (const auto& piece : activity.close(ours, kAlone, evenly)) {
      ASSERT_LE(piece.worked, 4 * (piece.end - piece.begin));
      ASSERT_LE(piece.ours, piece.worked);
      sum += piece.worked;
      ours_in_pieces += piece.ours;
    }
    ASSERT_EQ(sum, std::max(read, ours));
    ASSERT_EQ(ours_in_pieces, ours);
  }
}

TEST(Floor, QuietStretchesMakeTheEnvelope) {
  FloorLearner learner{{}};
  for (int i = 0; i < 30; ++i) learner.observe(2.1 * joule, kTick, 0.01);
  for (int i = 0; i < 30; ++i) learner.observe(8.0 * joule, kTick, 0.9);
  EXPECT_EQ(learner.now().method, FloorMethod::envelope);
  EXPECT_NEAR(learner.now().power / watt, 21, 0.01);
}

TEST(Floor, ARobustLineSurvivesWildObservations) {
  FloorLearner learner{{}};
  std::mt19937_64 random{2};
  for (int i = 0; i < 60; ++i) {
    const double utilisation = 0.1 + 0.8 * static_cast<double>(random() % 1000) / 1000;
    const double watts = i % 10 == 0 ? 300 : 20 + 60 * utilisation;
    learner.observe(watts * joule, kSecond, utilisation);
  }
  EXPECT_EQ(learner.now().method, FloorMethod::regression);
  EXPECT_NEAR(learner.now().power / watt, 20, 1);
}

TEST(Floor, NoDeviceDrawsLessThanItsFloor) {
  FloorLearner learner{{.power = 50.0 * watt, .method = FloorMethod::envelope, .windows = 9}};
  for (int i = 0; i < 10; ++i) learner.observe(1.0 * joule, kTick, 0.5);
  EXPECT_NEAR(learner.now().power / watt, 10, 1e-9);
}

TEST(FloorBoard, AProposalTakesEffectAtASecondYetToCome) {
  FloorBoard board;
  EXPECT_TRUE(board.propose("package:0", 20.0 * watt, 5 * kSecond + 1, kShared));
  EXPECT_FALSE(board.propose("package:0", 30.0 * watt, 7 * kSecond, kShared));
  EXPECT_TRUE(board.propose("package:0", 30.0 * watt, 20 * kSecond + 1, kShared));
  EXPECT_FALSE(board.agreed("package:0", 5 * kSecond + 2));
  EXPECT_NEAR(*board.agreed("package:0", 6 * kSecond) / watt, 20, 1e-9);
  EXPECT_NEAR(*board.agreed("package:0", 20 * kSecond + 2) / watt, 20, 1e-9);
  EXPECT_NEAR(*board.agreed("package:0", 21 * kSecond) / watt, 30, 1e-9);
  EXPECT_FALSE(board.agreed("dram:0", 22 * kSecond));
  EXPECT_EQ(FloorBoard::parse(board.format()).format(), board.format());
}

TEST(FloorBoard, OneWhoIsAloneIsHeardAtOnceAndAsOftenAsItLearns) {
  FloorBoard board;
  EXPECT_TRUE(board.propose("package:0", 20.0 * watt, 5 * kSecond + 1, Company::alone));
  EXPECT_TRUE(board.propose("package:0", 30.0 * watt, 6 * kSecond, Company::alone));
  EXPECT_FALSE(board.propose("package:0", 30.5 * watt, 7 * kSecond, Company::alone));
  EXPECT_NEAR(*board.agreed("package:0", 6 * kSecond) / watt, 30, 1e-9);
}

TEST(Floor, WhatIsSeenAtLittleWorkIsNearlyTheFloor) {
  FloorLearner learner{{}};
  for (int i = 0; i < 10; ++i) learner.observe(2.1 * joule, kTick, 0.05);
  EXPECT_EQ(learner.now().method, FloorMethod::prior);
  EXPECT_NEAR(learner.now().power / watt, 20, 1e-6);
  for (int i = 0; i < 10; ++i) learner.observe(8.0 * joule, kTick, 1.0);
  EXPECT_NEAR(learner.now().power / watt, 20, 1e-6);
}

TEST(Tenancy, ANestedRunHasItsParentsShareAndTakesNothingFromOthers) {
  const std::vector<unsigned> cpus{0, 1};
  const std::vector<Tenant> tenants{
      {.run = "a"}, {.run = "b"}, {.run = "c", .parent = "a"}, {.run = "d", .parent = "a"}};
  EXPECT_EQ(idle_share(cpus, tenants, "a", 0, 10).ours, kWholeDevice / 2);
  EXPECT_EQ(idle_share(cpus, tenants, "b", 0, 10).ours, kWholeDevice / 2);
  EXPECT_EQ(idle_share(cpus, tenants, "c", 0, 10).ours, kWholeDevice / 4);
}

TEST(Tenancy, SharesFollowWhoWasThereWhen) {
  const std::vector<unsigned> cpus{0, 1};
  const std::vector<Tenant> tenants{{.run = "a", .from = 0}, {.run = "b", .from = 4, .to = 8}};
  EXPECT_EQ(idle_share(cpus, tenants, "a", 0, 10).ours, kWholeDevice * 8 / 10);
  EXPECT_EQ(idle_share(cpus, tenants, "b", 4, 8).ours, kWholeDevice / 2);
}

TEST(Tenancy, RunsThatAreEachOthersParentsAreNobody) {
  const std::vector<unsigned> cpus{0, 1};
  const std::vector<Tenant> tenants{{.run = "a", .parent = "b"}, {.run = "b", .parent = "a"}, {.run = "c"}};
  EXPECT_EQ(idle_share(cpus, tenants, "c", 0, 10).ours, kWholeDevice);
  EXPECT_EQ(idle_share(cpus, tenants, "a", 0, 10).ours, 0u);
}

}  // namespace
}  // namespace everywatt
