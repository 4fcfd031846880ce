#include "account/bill.h"
#include "account/facility.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace everywatt {
namespace {

DeviceRecord counter(std::string id, DeviceKind kind, MicroJoules measured) {
  return {.device = {.id = std::move(id), .kind = kind},
          .method = Method::counter,
          .sensor = "rapl",
          .correlation = "rapl",
          .measured = measured,
          .uncertainty_systematic = measured * 3 / 100,
          .observed = 10 * kSecond};
}

RunRecord ten_seconds() {
  RunRecord record{.run = {.id = "a"}};
  record.run.started = {.steady = 100 * kSecond, .wall = 1'700'000'000 * kSecond};
  record.run.ended = {{.steady = 110 * kSecond, .wall = 1'700'000'010 * kSecond}};
  return record;
}

TEST(Bill, SumsCountedDevicesOnly) {
  RunRecord record = ten_seconds();
  record.devices = {counter("package:0", DeviceKind::package, 100), counter("core:0", DeviceKind::core, 60)};
  record.devices[1].counted = false;
  record.entries = {{.device = "package:0", .account = Account::busy, .energy = 70},
                    {.device = "package:0", .account = Account::idle, .energy = 30},
                    {.device = "core:0", .account = Account::busy, .energy = 60}};
  const Bill bill = bill_of(record);
  EXPECT_EQ(bill.energy.measured, 100);
  EXPECT_EQ(bill.energy.total, 100);
  EXPECT_EQ(bill.energy.busy, 70);
  EXPECT_EQ(bill.devices[1].energy.measured, 60);
}

TEST(Bill, WhatIsMissingIsNotZero) {
  RunRecord record = ten_seconds();
  record.devices = {{.device = {.id = "package:0", .kind = DeviceKind::package}, .reason = "stuck"}};
  const Bill bill = bill_of(record);
  EXPECT_FALSE(bill.energy.measured);
  EXPECT_FALSE(bill.energy.total);
  EXPECT_FALSE(bill.measured_fraction);
  EXPECT_FALSE(bill.devices[0].energy.busy);
}

TEST(Bill, ANullPartCountsAsNothingInASum) {
  RunRecord record = ten_seconds();
  record.devices = {{.device = {.id = "package:0", .kind = DeviceKind::package}, .reason = "stuck"},
                    counter("dram:0", DeviceKind::dram, 40)};
  record.entries = {{.device = "dram:0", .account = Account::unattributed, .energy = 40}};
  const Bill bill = bill_of(record);
  EXPECT_EQ(bill.energy.measured, 40);
  EXPECT_EQ(bill.energy.total, 0);
}

TEST(Bill, ErrorsOfOneSensorAddUpAndOfTwoDoNot) {
  RunRecord record = ten_seconds();
  record.devices = {counter("package:0", DeviceKind::package, 100'000'000),
                    counter("package:1", DeviceKind::package, 100'000'000)};
  EXPECT_EQ(bill_of(record).energy.uncertainty, 12'000'000);
  record.devices[1].correlation = "another";
  EXPECT_NEAR(static_cast<double>(*bill_of(record).energy.uncertainty), 8.485e6, 1e4);
}

TEST(Bill, WhatIsDividedByWordsOfADriverIsAsUncertainAsTheyAreFew) {
  const auto uncertainty = [](Nanoseconds busy, std::vector<std::string> flags) {
    RunRecord record = ten_seconds();
    record.devices = {counter("gpu:0", DeviceKind::gpu, 400'000'000)};
    record.devices[0].busy_time = busy;
    record.devices[0].flags = std::move(flags);
    record.entries = {{.device = "gpu:0", .account = Account::busy, .energy = 100'000'000},
                      {.device = "gpu:0", .account = Account::other, .energy = 300'000'000}};
    return static_cast<double>(*bill_of(record).energy.total_uncertainty);
  };
  const double alone = uncertainty(2 * kSecond, {});
  // A quarter of 40 words: 400 J × √(3/16 / 40).
  const double few = uncertainty(2 * kSecond, {"divided-by-samples"});
  EXPECT_NEAR(std::sqrt(few * few - alone * alone), 2 * 400e6 * std::sqrt(3.0 / 16 / 40), 1e5);
  const double many = uncertainty(200 * kSecond, {"divided-by-samples"});
  EXPECT_NEAR(std::sqrt(many * many - alone * alone), 2 * 400e6 * std::sqrt(3.0 / 16 / 4000), 1e5);
}

TEST(Bill, RestOfNodeIsWhatTheNodeMeterSaysBeyondItsParts) {
  RunRecord record = ten_seconds();
  record.devices = {counter("package:0", DeviceKind::package, 100'000'000),
                    counter("psys:0", DeviceKind::psys, 150'000'000)};
  record.devices[1].counted = false;
  record.entries = {{.device = "package:0", .account = Account::busy, .energy = 100'000'000},
                    {.device = "psys:0", .account = Account::unattributed, .energy = 150'000'000}};
  const Bill bill = bill_of(record);
  EXPECT_EQ(bill.devices.back().record.device.kind, DeviceKind::rest_of_node);
  EXPECT_EQ(bill.devices.back().energy.measured, 50'000'000);
  EXPECT_EQ(bill.energy.measured, 100'000'000);

  record.entries[1].energy = 50'000'000;
  record.devices[1].measured = 50'000'000;
  const Bill below = bill_of(record);
  EXPECT_EQ(below.devices.back().energy.measured, 0);
  EXPECT_EQ(below.devices.back().record.flags, std::vector<std::string>{"below-components"});
}

TEST(Facility, AddsWhatTheSiteHasSaidAndNamesIt) {
  RunRecord record = ten_seconds();
  record.devices = {counter("package:0", DeviceKind::package, 90'000'000)};
  record.entries = {{.device = "package:0", .account = Account::busy, .energy = 90'000'000}};
  const Bill bill = bill_of(record);
  EXPECT_FALSE(facility_of(bill, {}));
  const auto facility = facility_of(bill, {.pue = 1.5, .psu_efficiency = 0.9, .node_overhead = 10.0 * watt});
  EXPECT_EQ(facility->energy, 300'000'000);
  EXPECT_EQ(facility->boundary, "components + power supply + node overhead + building");
  EXPECT_EQ(facility_of(bill, {.pue = 1.5})->energy, 135'000'000);
}

TEST(Bill, SelfJoulesOverAllPathsAreTheTotal) {
  std::mt19937_64 random{5};
  for (int round = 0; round < 200; ++round) {
    RunRecord record = ten_seconds();
    record.devices = {counter("package:0", DeviceKind::package, 0), counter("dram:0", DeviceKind::dram, 0)};
    const std::vector<std::string> paths{"", "train", "train/epoch", "train/epoch/step", "eval"};
    for (int i = 0; i < 30; ++i) {
      record.entries.push_back({.device = random() % 2 ? "package:0" : "dram:0",
                                .phase = paths[random() % paths.size()],
                                .account = static_cast<Account>(random() % 4),
                                .energy = static_cast<MicroJoules>(random() % 1'000'000)});
    }
    const Bill bill = bill_of(record);
    MicroJoules self = 0;
    for (const PhaseBill& phase : bill.phases) self += phase.self;
    EXPECT_EQ(self, bill.energy.total);
    const auto train = std::ranges::find(bill.phases, "train", &PhaseBill::path);
    if (train != bill.phases.end()) {
      EXPECT_GE(train->energy, train->self);
    }
  }
}

}  // namespace
}  // namespace everywatt
