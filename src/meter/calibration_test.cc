#include "meter/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "meter/channel_meter.h"
#include "meter/meter.h"

namespace everywatt {
namespace {

const Calibration kOfCounter{.host = "here",
                             .device = "gpu:1",
                             .sensor = "nvml-counter",
                             .gain = 0.9,
                             .offset_watts = 4,
                             .relative_uncertainty = 0.01};

Channel channel(std::string device, std::string sensor) {
  return {.device = std::move(device), .sensor = std::move(sensor), .scale = {1000, 1}, .systematic = 0.03};
}

TEST(Calibration, HoldsForAllThatTheLibraryReadsOfABoardAndForNothingElse) {
  const std::vector all{kOfCounter};
  EXPECT_EQ(calibration_for(channel("gpu:1", "nvml-counter"), all)->gain, 0.9);
  EXPECT_EQ(calibration_for(channel("gpu:1", "nvml-average"), all)->gain, 0.9);
  EXPECT_FALSE(calibration_for(channel("gpu:2", "nvml-counter"), all));
  EXPECT_FALSE(calibration_for(channel("gpu:1", "hwmon-board"), all));
  Channel model = channel("gpu:1", "nvml-counter");
  model.kind = ChannelKind::model;
  EXPECT_FALSE(calibration_for(model, all));
}

TEST(Calibration, OfTheSensorItselfComesFirstElseTheNewest) {
  std::vector all{kOfCounter, kOfCounter, kOfCounter};
  all[0].made_wall = 1;
  all[1] = {.host = "here", .device = "gpu:1", .sensor = "nvml-average", .gain = 0.8, .made_wall = 2};
  all[2] = {.host = "here", .device = "gpu:1", .sensor = "nvml-usage", .gain = 0.7, .made_wall = 0};
  EXPECT_EQ(calibration_for(channel("gpu:1", "nvml-counter"), all)->gain, 0.9);
  EXPECT_EQ(calibration_for(channel("gpu:1", "nvml-usage"), all)->gain, 0.7);
  EXPECT_EQ(calibration_for(channel("gpu:1", "nvml-instant"), all)->gain, 0.8);
}

TEST(Calibration, MakesAChannelsReadingsTrueAndSaysHowSure) {
  Channel own = channel("gpu:1", "nvml-counter"), other = channel("gpu:1", "nvml-average");
  calibrate(own, kOfCounter);
  calibrate(other, kOfCounter);
  EXPECT_EQ(own.systematic, 0.01);
  EXPECT_EQ(other.systematic, 0.03) << "that it holds there too was not seen";
  for (const Channel& corrected : {own, other}) {
    ChannelMeter meter{corrected, kSecond / 10};
    for (int i = 0; i <= 10; ++i) {
      const Nanoseconds now = i * kSecond / 10;
      meter.take({now, now}, static_cast<std::uint64_t>(i) * 10'000);  // 100 W, in mJ
    }
    EXPECT_NEAR(static_cast<double>(meter.curve().at(kSecond)) / 1e6, 0.9 * 100 + 4, 1e-5) << corrected.sensor;
  }
}

// As a channel is corrected: what it reads first by the one, and what that made of it by the other.
TEST(Calibration, AfterAnotherIsOneForWhatTheSensorReads) {
  const Correction first{.gain = 0.9, .offset = 4.0 * watt}, second{.gain = 1.1, .offset = -3.0 * watt};
  const Correction both = second.after(first);
  const auto apply = [](const Correction& c, double watts) { return c.gain * watts + c.offset / watt; };
  for (const double read : {0.0, 80.0, 420.0}) EXPECT_NEAR(apply(both, read), apply(second, apply(first, read)), 1e-9);
  EXPECT_EQ(second.after({}), second);
}

// 300 W on a board whose sensors all read 8 % too much, its counter a part of that.
RunDelta measured(std::vector<Calibration> calibrations, double part_counted = 1) {
  Inventory inventory;
  inventory.devices = {{.id = "gpu:1", .kind = DeviceKind::gpu}};
  inventory.channels = {channel("gpu:1", "nvml-counter"), channel("gpu:1", "nvml-average")};
  inventory.channels[1].kind = ChannelKind::power;
  inventory.channels[1].method = Method::integrated;
  inventory.channels[1].period = inventory.channels[1].window = kSecond / 10;
  const std::vector<const Inventory*> inventories{&inventory};
  Meter meter{inventories, {.run = "us", .calibrations = std::move(calibrations)}};
  const std::vector<Tenant> tenants{{.run = "us", .from = 0}};
  RunDelta last;
  meter.begin({});
  for (int tick = 0; tick <= 200; ++tick) {
    const Nanoseconds now = tick * kSecond / 10;
    meter.take(0, {now, now},
               std::vector<Reading>{{.channel = 0, .raw = static_cast<std::uint64_t>(tick * 32'400 * part_counted)},
                                    {.channel = 1, .raw = 324'000}});
    if (tick > 0 && tick < 200 && tick % 10 == 0) (void)meter.close_window({.until = {now, now}, .tenants = tenants});
    if (tick == 200) last = meter.finish({.until = {now, now}, .tenants = tenants});
  }
  return last;
}

TEST(Calibration, OfABoardsCounterLeavesItsSensorsInAgreement) {
  const DeviceRecord before = measured({}).devices.at(0);
  EXPECT_NEAR(static_cast<double>(before.measured.value()) / 1e6, 324 * 20, 1);
  EXPECT_EQ(before.correction, std::nullopt);
  EXPECT_THAT(before.flags, testing::Not(testing::Contains("calibrated")));

  Calibration one = kOfCounter;
  one.gain = 1 / 1.08;
  one.offset_watts = 0;
  const DeviceRecord after = measured({one}).devices.at(0);
  EXPECT_EQ(after.sensor, "nvml-counter");
  EXPECT_NEAR(static_cast<double>(after.measured.value()) / 1e6, 300 * 20, 1);
  EXPECT_NEAR(static_cast<double>(after.uncertainty_systematic) / 1e6, 60, 0.1);
  EXPECT_EQ(after.correction, one.correction());
  EXPECT_THAT(after.flags, testing::Contains("calibrated"));
  EXPECT_THAT(after.flags, testing::Not(testing::AnyOf(testing::Contains("counter-implausible"),
                                                       testing::Contains("sensor-disagreement"))));
  ASSERT_EQ(after.checks.size(), 1u);
  EXPECT_NEAR(after.checks[0].ratio, 1, 0.001);

  one.sensor = "nvml-average";
  EXPECT_THAT(measured({one}).devices.at(0).flags, testing::Contains("calibrated:nvml-average"));
}

// What was held against a meter is not deposed by what was not, unless it fails badly.
TEST(Calibration, OfACounterIsBelievedBeforePowerThatWasNotCompared) {
  const auto flags = [](std::vector<Calibration> calibrations, double part) {
    return measured(std::move(calibrations), part).devices.at(0).flags;
  };
  Calibration one = kOfCounter;
  one.gain = 1;
  one.offset_watts = 0;
  const auto deposed = testing::Contains("counter-implausible");
  EXPECT_THAT(flags({}, 0.93), deposed);
  EXPECT_THAT(flags({one}, 0.93), testing::AllOf(testing::Not(deposed), testing::Contains("sensor-disagreement")));
  EXPECT_THAT(flags({one}, 0.57), deposed);
  Calibration of_power = one;
  of_power.sensor = "nvml-average";
  EXPECT_THAT(flags({one, of_power}, 0.93), deposed) << "both were compared";
}

}  // namespace
}  // namespace everywatt
