#include "account/energy_ticks.h"

#include <gtest/gtest.h>

#include <numeric>

namespace everywatt {
namespace {

constexpr MicroJoules kJoule = 1'000'000;

// 100 s from 20 s before a full minute on: 40 J in the first minute, 60 J in the second, 60 J in the third; the device
// itself drew twice that, all of it in the first half of the second minute.
RunRecord three_minutes() {
  RunRecord record{.run = {.id = "a"}};
  record.run.started = {.steady = 500 * kSecond, .wall = (60 * 1000 - 20) * kSecond};
  record.run.ended = {{.steady = 600 * kSecond, .wall = (60 * 1000 + 80) * kSecond}};
  record.devices = {{.device = {.id = "package:0", .kind = DeviceKind::package}, .measured = 320 * kJoule}};
  record.entries = {{.device = "package:0", .account = Account::busy, .minute = 999, .energy = 30 * kJoule},
                    {.device = "package:0", .account = Account::idle, .minute = 999, .energy = 10 * kJoule},
                    {.device = "package:0", .account = Account::busy, .minute = 1000, .energy = 60 * kJoule},
                    {.device = "package:0", .account = Account::other, .minute = 1000, .energy = 160 * kJoule},
                    {.device = "package:0", .account = Account::busy, .minute = 1001, .energy = 60 * kJoule}};
  return record;
}

TEST(EnergyTicks, EndWithWhatTheEntriesSumTo) {
  const auto ticks = energy_ticks(three_minutes(), {}, 10 * kSecond);
  ASSERT_EQ(ticks.size(), 9U);  // the moment of the end is the final figures'
  EXPECT_EQ(ticks[1].total, 40 * kJoule) << "at the full minute";
  EXPECT_EQ(ticks[7].total, 100 * kJoule) << "at the next one";
  EXPECT_EQ(ticks[8].total, 130 * kJoule) << "half of the twenty seconds of the third";
}

TEST(EnergyTicks, FollowTheCurveOfTheDeviceWithinAMinute) {
  const EnergyCurves curves{{"package:0",
                             {{500 * kSecond, 0},
                              {520 * kSecond, 80 * kJoule},
                              {550 * kSecond, 300 * kJoule},
                              {580 * kSecond, 300 * kJoule}}}};
  const auto ticks = energy_ticks(three_minutes(), curves, 10 * kSecond);
  EXPECT_EQ(ticks[4].total, 100 * kJoule) << "half a minute in, all of it is drawn";
  EXPECT_EQ(ticks[5].total, 100 * kJoule);
  EXPECT_NEAR(ticks[4].power.at(DeviceKind::package) / watt, 2.0, 1e-6);
  EXPECT_NEAR(ticks[5].power.at(DeviceKind::package) / watt, 0.0, 1e-6);
}

TEST(EnergyTicks, PowerTimesTheIntervalIsWhatWasCharged) {
  const auto ticks = energy_ticks(three_minutes(), {}, 7 * kSecond);
  double joules = 0;
  for (const EnergyTick& tick : ticks) joules += 7 * (tick.power.at(DeviceKind::package) / watt);
  EXPECT_NEAR(joules, static_cast<double>(ticks.back().total) / 1e6, 1e-9);
}

TEST(EnergyTicks, GoOnWhereTheyWereLeft) {
  const RunRecord record = three_minutes();
  const auto all = energy_ticks(record, {}, 10 * kSecond);
  const auto rest = energy_ticks(record, {}, 10 * kSecond, 50 * kSecond);
  ASSERT_EQ(rest.size(), 4U);
  EXPECT_EQ(rest.front().elapsed, 60 * kSecond);
  EXPECT_EQ(rest.front().total, all[5].total);
}

TEST(EnergyTicks, ARunWithoutAFigureHasNone) {
  RunRecord record = three_minutes();
  record.devices[0].measured.reset();
  EXPECT_TRUE(energy_ticks(record, {}, kSecond).empty());
}

}  // namespace
}  // namespace everywatt
