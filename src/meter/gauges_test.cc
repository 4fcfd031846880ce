// How devices fare, beside what they draw.
#include "meter/gauges.h"

#include <gtest/gtest.h>

#include <vector>

#include "meter/meter.h"

namespace everywatt {
namespace {

constexpr Scale kWhole{.numerator = 1'000'000, .denominator = 1};

Gauge clock() { return Gauge{{.device = "gpu:0", .name = "sm_clock", .unit = "mhz", .scale = kWhole}}; }
Gauge share() { return Gauge{{.kind = QuantityKind::share, .name = "sm_utilisation"}}; }
Gauge held_back(QuantityKind kind = QuantityKind::tally) {
  const bool is_tally = kind == QuantityKind::tally;
  return Gauge{{.kind = kind,
                .name = "held_back_power_cap",
                .unit = "seconds",
                .scale = is_tally ? Scale{.numerator = 1, .denominator = 1000} : kWhole,
                .fastest = is_tally ? 1e10 : 0}};
}
Gauge pcie() {
  return Gauge{{.kind = QuantityKind::tally,
                .name = "pcie_sent",
                .unit = "bytes",
                .scale = kWhole,
                .range = 0xffffffff,
                .fastest = 1.28e11}};
}

TEST(Gauge, TheMeanIsOverTimeAndTheExtremesAreWhatWasRead) {
  Gauge gauge = clock();
  gauge.take(0, 1000, 0);
  gauge.take(kSecond, 2000, 0);
  gauge.take(4 * kSecond, 2000, 0);
  const QuantityRecord record = gauge.record();
  EXPECT_DOUBLE_EQ(*record.mean, (1500 + 3 * 2000) / 4.0);
  EXPECT_EQ(record.least, 1000);
  EXPECT_EQ(record.most, 2000);
  EXPECT_EQ(record.observed, 4 * kSecond);
  EXPECT_EQ(record.unit, "mhz");
  EXPECT_FALSE(record.total || record.reason);
}

TEST(Gauge, ARateIsSummedOverTheTimeThatItIsOf) {
  Gauge gauge{{.kind = QuantityKind::rate, .name = "pcie_received", .unit = "bytes", .scale = kWhole}};
  gauge.take(kSecond, 59'000'000'000, 0);
  gauge.take(3 * kSecond, 1'000'000'000, 0);
  gauge.take(60 * kSecond, 7'000'000'000, 0);  // nobody looked for so long
  const QuantityRecord record = gauge.record();
  EXPECT_DOUBLE_EQ(*record.total, 61e9);
  EXPECT_EQ(record.observed, 3 * kSecond);
  EXPECT_FALSE(record.mean || record.is_sampled);
}

TEST(Gauge, OneLookIsAValueThatWasObservedForNoTime) {
  Gauge gauge = clock();
  gauge.take(3 * kSecond, 1980, 0);
  EXPECT_EQ(gauge.record().mean, 1980);
  EXPECT_EQ(gauge.record().observed, 0);
}

TEST(Gauge, ASilenceIsNotBridged) {
  Gauge gauge = clock();
  gauge.take(0, 1000, 0);
  gauge.take(kSecond, 1000, 0);
  gauge.take(20 * kSecond, 3000, 0);
  gauge.take(21 * kSecond, 3000, 0);
  EXPECT_EQ(gauge.record().mean, 2000);
  EXPECT_EQ(gauge.record().observed, 2 * kSecond);
}

TEST(Gauge, AShareHoldsForTheTimeBeforeItsReading) {
  Gauge gauge = share();
  gauge.take(1 * kSecond, 500'000, 0);
  gauge.take(4 * kSecond, 100'000, 0);
  EXPECT_DOUBLE_EQ(*gauge.record().mean, (0.5 + 3 * 0.1) / 4);
  EXPECT_EQ(gauge.record().most, 0.5);
  EXPECT_EQ(gauge.record().observed, 4 * kSecond);
}

TEST(Gauge, ATallyCountsFromItsFirstReading) {
  Gauge gauge = held_back();
  gauge.take(0, 7'000'000'000, 0);
  gauge.take(kSecond, 7'100'000'000, 0);
  gauge.take(2 * kSecond, 7'400'000'000, 0);
  EXPECT_DOUBLE_EQ(*gauge.record().total, 0.4);
  EXPECT_EQ(gauge.record().observed, 2 * kSecond);
  EXPECT_FALSE(gauge.record().is_sampled);
}

TEST(Gauge, ATallyGoesOnAcrossItsTurn) {
  Gauge gauge = pcie();
  gauge.take(0, 4'000'000'000, 0);
  gauge.take(kSecond / 10, 5'032'704, 0);  // 300,000,000 on: 2^32 is 4,294,967,296
  gauge.take(kSecond / 5, 5'032'804, 0);
  EXPECT_EQ(gauge.record().total, 300'000'100);
}

TEST(Gauge, ATallyOfMoreThanItsTurnIsWiderThanWasSaid) {
  Gauge gauge = pcie();
  gauge.take(0, 10'000'000'000, 0);
  gauge.take(kSecond / 10, 10'000'000'500, 0);
  EXPECT_EQ(gauge.record().total, 500);
}

TEST(Gauge, AFallThatIsNoTurnIsAResetAndWhatCameAfterCounts) {
  Gauge gauge = held_back();
  gauge.take(0, 7'000'000'000, 0);
  gauge.take(kSecond, 7'500'000'000, 0);
  gauge.take(2 * kSecond, 100'000'000, 0);
  gauge.take(3 * kSecond, 200'000'000, 0);
  EXPECT_DOUBLE_EQ(*gauge.record().total, 0.7);
  EXPECT_EQ(gauge.record().observed, 2 * kSecond);  // what was lost with the reset is not known
}

TEST(Gauge, AfterASilenceAFallIsAResetAlsoOfWhatGoesRound) {
  Gauge gauge = pcie();
  gauge.take(0, 4'000'000'000, 0);
  gauge.take(3 * kSecond, 1000, 0);
  EXPECT_FALSE(gauge.record().total);
  gauge.take(4 * kSecond, 3000, 0);
  EXPECT_EQ(gauge.record().total, 3000);
}

TEST(Gauge, ACounterThatSlipsToZeroForAMomentAddsNothing) {
  Gauge gauge = held_back();
  gauge.take(0, 90'000'000'000, 0);
  gauge.take(kSecond / 10, 0, 0);
  gauge.take(kSecond / 5, 90'000'000'000, 0);
  gauge.take(3 * kSecond / 10, 90'050'000'000, 0);
  EXPECT_DOUBLE_EQ(*gauge.record().total, 0.05);
}

TEST(Gauge, AStateIsSummedUpAndMarkedAsSampled) {
  Gauge gauge = held_back(QuantityKind::state);
  gauge.take(0, 1, 0);
  gauge.take(kSecond, 1, 0);
  gauge.take(2 * kSecond, 0, 0);
  gauge.take(3 * kSecond, 0, 0);
  EXPECT_DOUBLE_EQ(*gauge.record().total, 1.5);
  EXPECT_TRUE(gauge.record().is_sampled);
}

TEST(Gauge, WhatWasNeverReadIsMissingAndNotZero) {
  EXPECT_EQ(pcie().record().reason, "never read");
  Gauge once = pcie();
  once.take(0, 5, 0);
  EXPECT_EQ(once.record().reason, "read once only");
  EXPECT_FALSE(once.record().total);
  const Gauge missing{{.name = "memory_temperature", .unit = "celsius", .missing = "not supported"}};
  EXPECT_EQ(missing.record().reason, "not supported");
  EXPECT_FALSE(missing.record().mean);
}

TEST(Gauges, TellsItsReadingsFromThoseOfChannelsAndOfOtherSources) {
  Inventory bare, gpu;
  bare.channels = {{.device = "package:0"}};
  gpu.channels = {{.device = "gpu:0"}, {.device = "gpu:0"}};
  gpu.quantities = {{.device = "gpu:0", .name = "temperature", .scale = kWhole},
                    {.device = "gpu:0", .name = "sm_clock", .missing = "not supported"}};
  const Inventory* all[] = {&bare, &gpu};
  Gauges gauges;
  gauges.add_sources(std::span{all}.first(1));
  gauges.add_sources(all);
  EXPECT_FALSE(gauges.take(0, {}, {.channel = 0, .raw = 1}));
  EXPECT_FALSE(gauges.take(1, {}, {.channel = 1, .raw = 1}));
  EXPECT_TRUE(gauges.take(1, {}, {.channel = 2, .raw = 41}));
  EXPECT_FALSE(gauges.take(1, {}, {.channel = 4, .raw = 1}));
  EXPECT_TRUE(gauges.records("package:0").empty());
  const auto records = gauges.records("gpu:0");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].mean, 41);
  EXPECT_EQ(records[1].reason, "not supported");
}

TEST(Gauge, AStepIsWhatAReadingSaysOfTheTimeBeforeIt) {
  Gauge busy = share();
  const auto first = busy.take(1 * kSecond, 500'000, 0);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->from, 0);
  EXPECT_EQ(first->to, kSecond);
  EXPECT_DOUBLE_EQ(first->amount, 0.5);
  EXPECT_DOUBLE_EQ(busy.take(3 * kSecond, 250'000, 0)->amount, 0.5);
  EXPECT_FALSE(busy.take(20 * kSecond, 250'000, 0)) << "a silence";
  Gauge bytes = pcie();
  EXPECT_FALSE(bytes.take(0, 1000, 0));
  EXPECT_DOUBLE_EQ(bytes.take(kSecond / 10, 4000, 0)->amount, 3000);
  EXPECT_FALSE(clock().take(kSecond, 1980, 0)) << "a clock adds nothing";
}

TEST(Gauges, StepsAreToldOfWhatIsToldByPhase) {
  Inventory inventory;
  inventory.quantities = {{.device = "gpu:0", .kind = QuantityKind::share, .name = "sm_utilisation", .by_phase = true},
                          {.device = "gpu:0", .kind = QuantityKind::share, .name = "sm_occupancy"}};
  const Inventory* const all[] = {&inventory};
  Gauges gauges;
  gauges.add_sources(all);
  for (const Nanoseconds time : {kSecond, 2 * kSecond}) {
    for (const std::uint32_t channel : {0u, 1u})
      (void)gauges.take(0, {time, time}, {.channel = channel, .raw = 400'000});
  }
  const auto take_steps = [&] {
    std::vector<Gauges::Told> steps;
    gauges.tell_steps([&](const Gauges::Told& told) { steps.push_back(told); });
    return steps;
  };
  const auto steps = take_steps();
  ASSERT_EQ(steps.size(), 1u) << "the first look has no time before it";
  EXPECT_EQ(gauges.channel_of(steps[0]).device, "gpu:0");
  EXPECT_EQ(gauges.channel_of(steps[0]).name, "sm_utilisation");
  EXPECT_DOUBLE_EQ(steps[0].step.amount, 0.4);
  EXPECT_TRUE(take_steps().empty());
}

// In a run of 64 s: what is told when, by the number of the window.
TEST(Quantities, AreToldWithTheFirstEachSixtiethAndTheLastWindow) {
  Inventory inventory{.devices = {{.id = "gpu:0", .kind = DeviceKind::gpu}},
                      .channels = {{.device = "gpu:0", .sensor = "counter"}}};
  inventory.quantities = {{.device = "gpu:0", .name = "temperature", .scale = kWhole}};
  const Inventory* const all[] = {&inventory};
  const std::vector<Tenant> tenants{{.run = "us", .from = 0}};
  Meter meter{all, {.run = "us"}};
  meter.begin({});
  std::vector<int> told;
  for (int second = 1; second <= 64; ++second) {
    const Nanoseconds now = second * kSecond;
    meter.take(0, {now, now}, std::vector<Reading>{{.channel = 1, .raw = 41}});
    const WindowContext context{.until = {now, now}, .tenants = tenants};
    const RunDelta delta = second < 64 ? meter.close_window(context) : meter.finish(context);
    if (!delta.devices.at(0).quantities.empty()) told.push_back(second);
  }
  EXPECT_EQ(told, (std::vector{1, 61, 64}));
}

}  // namespace
}  // namespace everywatt
