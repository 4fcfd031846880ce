#include <gmock/gmock.h>

#include <cmath>

#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kName = "hwmon";

void write_chip(const FixtureTree& tree, const std::string& chip, std::string_view name,
                const std::vector<std::pair<std::string, std::string>>& files) {
  tree.write("sys/class/hwmon/" + chip + "/name", name);
  for (const auto& [file, text] : files) tree.write("sys/class/hwmon/" + chip + "/" + file, text + "\n");
}

TEST(Hwmon, GraceHopperNestsModuleGraceAndItsRails) {
  const auto tree = FixtureTree::recorded("grace_hopper");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("module:0", "package:0", "core:0", "uncore:0"));
  EXPECT_EQ(device(**source, "package:0")->parent, "module:0");
  EXPECT_EQ(device(**source, "core:0")->parent, "package:0");
  EXPECT_EQ(device(**source, "uncore:0")->parent, "package:0");
  EXPECT_EQ(raw(**source, "module:0"), 214331000u);
}

TEST(Hwmon, TheGraceSocketHoldsItsMemoryAndItsCpus) {
  const auto tree = FixtureTree::recorded("grace_hopper");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_TRUE(device(**source, "package:0")->includes_memory);
  EXPECT_EQ(device(**source, "package:0")->cpus.size(), 72u);
}

TEST(Hwmon, AnAcpiMeterSaysHowLongItAveragesAndHowWell) {
  const auto tree = FixtureTree::recorded("grace_hopper");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  const Channel& module = *channel(**source, "module:0");
  EXPECT_EQ(module.kind, ChannelKind::power);
  EXPECT_EQ(module.method, Method::integrated);
  EXPECT_EQ(module.window, 50 * kMillisecond);
  EXPECT_NEAR(module.systematic, 0.05 / std::sqrt(3.0), 1e-9);
}

TEST(Hwmon, AnUnnamedAcpiMeterIsTheNodes) {
  const FixtureTree tree;
  tree.write("proc/sys/kernel/hostname", "rack7\n");
  write_chip(tree, "hwmon2", "power_meter\n",
             {{"device/power1_average", "412000000"}, {"device/power1_is_battery", "0"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("node:rack7"));
  EXPECT_EQ(device(**source, "node:rack7")->kind, DeviceKind::node);
  EXPECT_DOUBLE_EQ(channel(**source, "node:rack7")->systematic, 0.05) << "no accuracy is stated";
}

TEST(Hwmon, AJetsonsInputIsItsModuleAndHoldsItsPackage) {
  const auto tree = FixtureTree::recorded("jetson");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "module:0"), 5072u * 1112u) << "millivolts × milliamperes are microwatts";
  EXPECT_EQ(device(**source, "package:0")->parent, "module:0");
  EXPECT_EQ(channel(**source, "package:0"), nullptr);
}

TEST(Hwmon, RailsOfUnknownScopeAreListedAndNotedAsUncounted) {
  const auto tree = FixtureTree::recorded("jetson");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  const Device* rail = device(**source, "rail:ina3221:VDD_SOC");
  ASSERT_TRUE(rail);
  EXPECT_EQ(rail->kind, DeviceKind::uncore);
  EXPECT_TRUE(has_note(**source, "hwmon1/in3 (ina3221): ", "not counted"));
}

TEST(Hwmon, ManyRailsTakeTurnsAndHoldUpNothingElse) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "power_meter\n", {{"power1_average", "412000000"}});
  for (int rail = 1; rail <= 10; ++rail) {
    write_chip(tree, "hwmon1", "board\n", {{"power" + std::to_string(rail) + "_input", std::to_string(rail)}});
  }
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  std::vector<unsigned> readings_of(11);
  for (int call = 0; call < 5; ++call) {
    std::vector<Reading> readings;
    ASSERT_TRUE((*source)->sample(readings));
    EXPECT_EQ(readings.size(), 1u + 4u);
    for (const Reading& reading : readings) ++readings_of.at(reading.channel);
  }
  EXPECT_THAT(readings_of, ElementsAre(5, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2)) << "20 turns for 10 rails";
}

TEST(Hwmon, AFewRailsAreReadAtEveryCall) {
  const auto tree = FixtureTree::recorded("jetson");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  for (int call = 0; call < 3; ++call) {
    std::vector<Reading> readings;
    ASSERT_TRUE((*source)->sample(readings));
    EXPECT_EQ(readings.size(), 3u);
  }
}

TEST(Hwmon, VoltageAndCurrentArePairedOnlyWhereThePairingIsKnown) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "max20730\n", {{"in1_input", "48000"}, {"in2_input", "12000"}, {"curr1_input", "10000"}});
  write_chip(tree, "hwmon1", "ina226\n", {{"in0_input", "1500"}, {"in1_input", "12000"}, {"curr1_input", "5000"}});
  write_chip(tree, "hwmon2", "regulator\n",
             {{"in1_input", "1000"}, {"in1_label", "vdd"}, {"curr1_input", "2000"}, {"curr1_label", "vdd"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("rail:ina226:in1", "rail:regulator:vdd"));
  EXPECT_EQ(raw(**source, "rail:ina226:in1"), 60'000'000u);
}

TEST(Hwmon, WhatIsSwitchedOffIsLeftOut) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "board\n",
             {{"power1_input", "1"}, {"power1_enable", "1"}, {"power2_input", "2"}, {"power2_enable", "0"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("rail:board:power1"));
  EXPECT_TRUE(has_note(**source, "hwmon0/power2 (board): ", "switched off"));
}

TEST(Hwmon, GpusAndBatteriesAreLeftToOthers) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "amdgpu\n", {{"power1_average", "118000000"}});
  write_chip(tree, "hwmon1", "BAT0\n", {{"power1_input", "6120000"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_TRUE((*source)->inventory().channels.empty());
  EXPECT_TRUE(has_note(**source, "hwmon0/power1 (amdgpu): ", "GPU"));
  EXPECT_TRUE(has_note(**source, "hwmon1/power1 (BAT0): ", "battery"));
}

TEST(Hwmon, APowerSupplyCountsWhatItDrawsOnce) {
  const FixtureTree tree;
  write_chip(tree, "hwmon4", "dps920ab\n",
             {{"power1_input", "410000000"},
              {"power1_label", "pin"},
              {"power2_input", "385000000"},
              {"power2_label", "pout1"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("psys:dps920ab@hwmon4"));
  EXPECT_TRUE(has_note(**source, "hwmon4/power2 (dps920ab): ", "pin"));
}

TEST(Hwmon, AK10tempPackageIsThePackage) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "k10temp\n",
             {{"power1_input", "45000000"},
              {"power1_label", "Package"},
              {"power2_input", "15000000"},
              {"power2_label", "Core"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("package:0", "core:0"));
}

TEST(Hwmon, EnergyCountersOfSocketsAreTakenAndThoseOfCoresLieWithin) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "amd_energy\n",
             {{"energy1_input", "700"},
              {"energy1_label", "Ecore000"},
              {"energy65_input", "9000"},
              {"energy65_label", "Esocket1"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("package:1"));
  EXPECT_EQ(channel(**source, "package:1")->method, Method::counter);
}

TEST(Hwmon, TwoMetersOfOneLabelStayTwo) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "multi\n",
             {{"power1_input", "50"}, {"power1_label", "rail"}, {"power2_input", "30"}, {"power2_label", "rail"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("rail:multi:rail", "rail:multi:rail@hwmon0/power2"));
}

TEST(Hwmon, PowerThatFlowsBackIsNoConsumption) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "ina226\n", {{"in1_input", "12000"}, {"curr1_input", "-3"}});
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "rail:ina226:in1"), 0u);
}

TEST(Hwmon, AMeterThatFailsLeavesTheOthersReadings) {
  const auto tree = FixtureTree::recorded("grace_hopper");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  tree.write("sys/class/hwmon/hwmon2/device/power1_average", "busy\n");
  std::vector<Reading> readings;
  const auto sampled = (*source)->sample(readings);
  ASSERT_FALSE(sampled);
  EXPECT_THAT(sampled.error().what, HasSubstr("hwmon2/device/power1_average"));
  EXPECT_EQ(readings.size(), 3u);
}

TEST(Hwmon, IsAbsentWithoutChipsThatMeasurePower) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "nvme\n", {{"temp1_input", "38850"}});
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

TEST(Hwmon, DeniedIsToldFromAbsent) {
  const FixtureTree tree;
  write_chip(tree, "hwmon0", "power_meter\n", {{"power1_average", "1"}});
  tree.set_mode("sys/class/hwmon/hwmon0/power1_average", 0);
  EXPECT_TRUE(holds_unprivileged(tree, [&] {
    const auto source = open_source(kName, tree);
    return !source && source.error().code == Errc::denied;
  }));
}

}  // namespace
}  // namespace everywatt::testing
