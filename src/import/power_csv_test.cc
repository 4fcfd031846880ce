#include "import/power_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace everywatt {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Nanoseconds kEvening = 1'715'902'913 * kSecond;  // 2024-05-16T23:41:53Z
constexpr MicroJoules kJoule = 1'000'000;

Imported accepted(std::string_view text, const PowerCsvOptions& options = {}) {
  auto imported = parse_power_csv("meter.csv", text, kEvening, options);
  EXPECT_TRUE(imported) << imported.error().what;
  return imported ? *std::move(imported) : Imported{};
}

std::string refused(std::string_view text, const PowerCsvOptions& options = {}) {
  const auto imported = parse_power_csv("meter.csv", text, kEvening, options);
  return imported ? "not refused" : imported.error().what;
}

MicroJoules energy(const Imported& imported, std::size_t device = 0) {
  return imported.devices.at(device).curve.between(imported.run.started.steady, imported.run.ended->steady);
}

TEST(PowerCsv, ReadsAWallMeter) {
  const Imported imported =
      accepted("time,power_w\n2024-05-16T23:41:53Z,100\n2024-05-16T23:41:54Z,200\n2024-05-16T23:41:55Z,100\n");
  EXPECT_EQ(imported.run.name, "meter");
  EXPECT_EQ(imported.run.origin, "import");
  EXPECT_EQ(imported.run.boundary, "node");
  EXPECT_EQ(imported.run.started.wall, kEvening);
  EXPECT_EQ(imported.run.ended->steady, kEvening + 2 * kSecond);
  ASSERT_EQ(imported.devices.size(), 1u);
  EXPECT_EQ(imported.devices[0].device.id, "node:meter");
  EXPECT_EQ(imported.devices[0].method, Method::integrated);
  EXPECT_EQ(energy(imported), 300 * kJoule);
  EXPECT_THAT(imported.run.notices, ElementsAre(HasSubstr("2.5 %, as of a BMC")));
}

TEST(PowerCsv, ReadsNvidiaSmiWithOneDeviceForEachGpu) {
  const Imported imported = accepted(
      "timestamp, index, name, uuid, power.draw [W], power.limit [W], utilization.gpu [%]\n"
      "2024/05/16 23:41:53.000, 0, NVIDIA H100, GPU-a, 100.00 W, 700.00 W, 10 %\n"
      "2024/05/16 23:41:53.000, 1, NVIDIA H100, GPU-b, 200.00 W, 700.00 W, 10 %\n"
      "2024/05/16 23:41:54.000, 0, NVIDIA H100, GPU-a, 100.00 W, 700.00 W, 10 %\n"
      "2024/05/16 23:41:54.000, 1, NVIDIA H100, GPU-b, 200.00 W, 700.00 W, 10 %\n");
  ASSERT_EQ(imported.devices.size(), 2u);
  EXPECT_EQ(imported.devices[0].device.id, "gpu:GPU-a");
  EXPECT_EQ(imported.devices[1].device.kind, DeviceKind::gpu);
  EXPECT_EQ(energy(imported, 1), 200 * kJoule);
  EXPECT_EQ(imported.run.boundary, "components");
  EXPECT_THAT(imported.run.notices, Contains(HasSubstr("4 times name no zone and are taken as UTC")));
}

TEST(PowerCsv, TakesSemicolonsDecimalCommasAndKilowatts) {
  const Imported imported = accepted("Zeit;Leistung [kW]\n1715902913;1,5\n1715902915;1,5\n");
  EXPECT_EQ(energy(imported), 3000 * kJoule);
}

TEST(PowerCsv, TakesSeveralColumnsAsSeveralDevices) {
  const Imported imported =
      accepted("time_ms\tgpu0_power_mw\tcpu_power_mw\n1715902913000\t5000\t1000\n1715902914000\t5000\t3000\n");
  ASSERT_EQ(imported.devices.size(), 2u);
  EXPECT_EQ(imported.devices[0].device.id, "gpu:gpu0");
  EXPECT_EQ(imported.devices[1].device.kind, DeviceKind::package);
  EXPECT_EQ(energy(imported, 0), 5 * kJoule);
  EXPECT_EQ(energy(imported, 1), 2 * kJoule);
}

TEST(PowerCsv, TimesFromTheStartEndWhenTheFileWasWritten) {
  const std::string_view text = "elapsed_s,power_w\n0,100\n10,100\n";
  const Imported imported = accepted(text);
  EXPECT_EQ(imported.run.ended->wall, kEvening);
  EXPECT_EQ(energy(imported), 1000 * kJoule);
  EXPECT_THAT(imported.run.notices, Contains(HasSubstr("counts from the start")));
  EXPECT_EQ(accepted(text, {.started = kEvening}).run.started.wall, kEvening);
}

TEST(PowerCsv, ACounterSuppliesTheEnergyAndThePowerChecksIt) {
  const std::string rows = "1715902913,100,1000\n1715902914,100,1010\n1715902923,100,2000\n";
  const Imported agreeing = accepted("time,power_w,energy_j\n" + rows);
  ASSERT_EQ(agreeing.devices.size(), 1u);
  EXPECT_EQ(agreeing.devices[0].method, Method::counter);
  EXPECT_EQ(agreeing.devices[0].sensor, "power-csv:energy_j");
  EXPECT_EQ(energy(agreeing), 1000 * kJoule);
  EXPECT_TRUE(agreeing.devices[0].flags.empty());
  const Imported other = accepted("time,power_kw,energy_j\n" + rows);
  EXPECT_THAT(other.devices[0].flags, Contains("sensor-disagreement"));
  EXPECT_EQ(energy(other), 1000 * kJoule);
}

TEST(PowerCsv, ACounterTooCoarseForTheRunGivesWayToThePower) {
  const Imported imported =
      accepted("time,power_w,energy_kwh\n1715902913,100,1.00\n1715902914,100,1.00\n1715902915,100,1.01\n");
  EXPECT_EQ(imported.devices[0].method, Method::integrated);
  EXPECT_EQ(energy(imported), 200 * kJoule);
  EXPECT_THAT(imported.run.notices, Contains(HasSubstr("too coarse")));
}

TEST(PowerCsv, ACounterAloneIsEnough) {
  const Imported imported = accepted("time,Energy [Wh]\n1715902913,10\n1715902914,11\n1715902915,12.5\n");
  EXPECT_EQ(imported.devices[0].method, Method::counter);
  EXPECT_EQ(energy(imported), 9000 * kJoule);
}

TEST(PowerCsv, EveryBadLineIsNamed) {
  const Imported imported = accepted(
      "time,power_w\n"
      "1715902913,100\n"
      "soon,100\n"
      "1715902914,-5\n"
      "1715902915,nan\n"
      "1715902916,\n"
      "1715902917\n"
      "1715902918,\"1\"0\n"
      "1715902919,2e9\n"
      "1715902920,100\n");
  EXPECT_EQ(energy(imported), 700 * kJoule);
  EXPECT_THAT(imported.devices[0].flags, ElementsAre("bad-lines"));
  EXPECT_THAT(imported.run.notices,
              Contains(AllOf(HasSubstr("meter.csv: rows left out: 3 lines"), HasSubstr("3 (the time is"),
                             HasSubstr("7 (not 2 fields)"), HasSubstr("8 (something follows"))));
  EXPECT_THAT(imported.run.notices, Contains(AllOf(HasSubstr("4 ('power_w': the value is negative)"),
                                                   HasSubstr("5 ('power_w': the value is not a number)"),
                                                   HasSubstr("6 ('power_w': the value is missing)"),
                                                   HasSubstr("9 ('power_w': more than any meter reads)"))));
}

TEST(PowerCsv, ADeviceWithoutAValidReadingIsKeptWithItsReason) {
  const Imported imported = accepted("time,gpu0_w,gpu1_w\n1715902913,100,N/A\n1715902914,100,N/A\n");
  ASSERT_EQ(imported.devices.size(), 2u);
  EXPECT_TRUE(imported.devices[1].curve.empty());
  EXPECT_EQ(imported.devices[1].reason, "no valid reading");
}

TEST(PowerCsv, WhatLeavesAChoiceIsRefusedWithTheOptionThatMakesIt) {
  EXPECT_THAT(refused("time,date,power_w\n1,2,3\n"),
              AllOf(HasSubstr("meter.csv: 'time', 'date'"), HasSubstr("--time-column")));
  EXPECT_THAT(refused("a,b\n1,2\n"), HasSubstr("--time-column"));
  EXPECT_THAT(refused("time,power\n1,2\n"), HasSubstr("--unit"));
  EXPECT_THAT(refused("time,POWER_MW\n1,2\n"), HasSubstr("--unit"));
  EXPECT_THAT(refused("time,x\n1,2\n"), HasSubstr("--power-column"));
  EXPECT_THAT(refused("time,power_w,power_avg_w\n1,2,3\n"), HasSubstr("--power-column"));
  EXPECT_THAT(refused("time,total_w,cpu_w\n1,2,3\n"), HasSubstr("may hold the sum of"));
  EXPECT_THAT(refused("time,host,gpu,power_w\n1,a,0,1\n1,b,0,1\n1,a,1,1\n"), HasSubstr("--device-column"));
  EXPECT_THAT(refused("time,index,power_w\n1,1,1\n2,2,1\n3,3,1\n"), HasSubstr("cannot name a device"));
  EXPECT_THAT(refused("time;power_w\n1;1,234\n2;1,500\n"), HasSubstr("--decimal"));
  EXPECT_THAT(refused("time,a;power_w,b\n1,1;2,2\n"), HasSubstr("--separator"));
  EXPECT_THAT(refused("1,2,3\n4,5,6\n"), HasSubstr("no header row"));
}

TEST(PowerCsv, TheOptionsMakeTheChoice) {
  EXPECT_EQ(energy(accepted("time,power\n1715902913,2\n1715902914,2\n", {.unit = "kW"})), 2000 * kJoule);
  EXPECT_EQ(energy(accepted("1715902913,2\n1715902914,2\n", {.unit = "W"})), 2 * kJoule);
  EXPECT_EQ(energy(accepted("a,b,c\n1715902913,2,x\n1715902914,2,y\n",
                            {.time_column = "a", .power_columns = {"2"}, .unit = "W"})),
            2 * kJoule);
  EXPECT_EQ(energy(accepted("time,index,power_w\n1715902913,1,1\n1715902914,2,1\n1715902915,3,1\n",
                            {.device_column = "none"})),
            2 * kJoule);
  EXPECT_EQ(energy(accepted("time;power_w\n1715902913;1,234\n1715902914;1,234\n", {.decimal = ','})), 1'234'000);
  EXPECT_EQ(energy(accepted("time|power_w\n0|1\n1|1\n", {.separator = '|'})), kJoule);
  const Imported named =
      accepted("time,power_w\n0,1\n1,1\n", {.kind = DeviceKind::psys, .uncertainty = 0.01, .name = "desk"});
  EXPECT_EQ(named.devices[0].device.id, "psys:desk");
  EXPECT_EQ(named.run.name, "desk");
  EXPECT_EQ(named.devices[0].uncertainty_systematic, 10'000);
}

TEST(PowerCsv, AnOptionThatFitsNothingIsMisuse) {
  const auto wrong = parse_power_csv("meter.csv", "time,power_w\n0,1\n1,1\n", kEvening, {.time_column = "when"});
  EXPECT_EQ(wrong.error().code, Errc::misuse);
  EXPECT_THAT(wrong.error().what, HasSubstr("'when' is no column; there are: 'time', 'power_w'"));
  EXPECT_THAT(refused("time,power_w\n0,1\n1,1\n", {.unit = "horses"}), HasSubstr("'horses' is no unit"));
}

TEST(PowerCsv, WhatIsNoTableIsRefused) {
  EXPECT_THAT(refused(""), HasSubstr("no table"));
  EXPECT_THAT(refused("hello\nworld\n"), HasSubstr("no table"));
  EXPECT_THAT(refused("time,power_w\n1715902913,\"2\n"), HasSubstr("meter.csv:2: a quote is opened"));
  EXPECT_THAT(refused("time,power_w\n1715902913,1\n"), HasSubstr("no two readings at different times"));
  EXPECT_THAT(refused("time,power_w\n1715902913,x\n1715902914,y\n"),
              HasSubstr("2-3 ('power_w': the value is not a number)"));
}

TEST(PowerCsv, AnUnreadableFileIsNamed) {
  EXPECT_THAT(import_power_csv("/nowhere/meter.csv").error().what, HasSubstr("/nowhere/meter.csv: No such file"));
  const auto file = std::filesystem::path{testing::TempDir()} / "everywatt-meter.csv";
  std::ofstream{file} << "elapsed,power_w\n0,1\n1,1\n";
  EXPECT_EQ(import_power_csv(file)->devices[0].device.id, "node:everywatt-meter");
}

}  // namespace
}  // namespace everywatt
