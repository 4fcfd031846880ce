#include <gmock/gmock.h>

#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kName = "rapl-powercap";

void write_zone(const FixtureTree& tree, const std::string& zone, std::string_view name, std::string_view energy) {
  tree.write("sys/class/powercap/" + zone + "/name", name);
  tree.write("sys/class/powercap/" + zone + "/energy_uj", energy);
}

TEST(RaplPowercap, ReadsPackagesDramAndPsysOfATwoSocketMachine) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), UnorderedElementsAre("package:0", "package:1", "dram:0", "dram:1", "psys:0"));
  EXPECT_EQ(raw(**source, "package:0"), 201373116104u);
  EXPECT_EQ(raw(**source, "dram:1"), 61200418033u);
  EXPECT_EQ(channel(**source, "package:1")->range, 262143328850u);
  EXPECT_EQ(channel(**source, "dram:1")->range, 65712999613u);
  EXPECT_EQ(device(**source, "package:1")->cpus.size(), 112u);
  EXPECT_EQ(device(**source, "package:1")->cpus.front(), 56u);
}

TEST(RaplPowercap, DramLiesBesideItsPackageAndCoresWithinIt) {
  const auto server = FixtureTree::recorded("two_socket_xeon");
  auto source = open_source(kName, server);
  ASSERT_TRUE(source);
  EXPECT_EQ(device(**source, "dram:1")->parent, std::nullopt);
  EXPECT_EQ(device(**source, "dram:1")->follows, "package:1");

  const auto laptop = FixtureTree::recorded("laptop_mmio");
  source = open_source(kName, laptop);
  ASSERT_TRUE(source);
  EXPECT_EQ(device(**source, "core:0")->parent, "package:0");
  EXPECT_EQ(device(**source, "uncore:0")->parent, "package:0");
}

TEST(RaplPowercap, LeavesOutWhatMmioRepeats) {
  const auto tree = FixtureTree::recorded("laptop_mmio");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("package:0", "core:0", "uncore:0", "psys:0"));
  EXPECT_TRUE(has_note(**source, "intel-rapl-mmio:0: ", "repeats package:0"));
  EXPECT_EQ(channel(**source, "package:0")->detail, "intel-rapl:0/energy_uj");
}

TEST(RaplPowercap, TakesMmioWhereItIsAllThereIs) {
  const FixtureTree tree;
  write_zone(tree, "intel-rapl-mmio:0", "package-0\n", "17\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), 17u);
}

TEST(RaplPowercap, KnowsZonesByNameWhateverTheirIndex) {
  const auto tree = FixtureTree::recorded("tpmi_xeon");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:1"), 155021377114u);
  EXPECT_EQ(raw(**source, "dram:0"), 9913340001u);
  EXPECT_EQ(raw(**source, "psys:1"), 887331000000u);
  EXPECT_TRUE(has_note(**source, "intel-rapl:4: ", "repeats package:0, which intel-rapl:2 counts"));
}

TEST(RaplPowercap, AnAmdCoreZoneIsOneCoreAndIsLeftOut) {
  const auto tree = FixtureTree::recorded("epyc");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("package:0"));
  EXPECT_TRUE(has_note(**source, "intel-rapl:0:0: ", "one core"));
  EXPECT_DOUBLE_EQ(channel(**source, "package:0")->systematic, 0.10);
}

TEST(RaplPowercap, TheDiesOfAThreadripperAreOneCounter) {
  const auto tree = FixtureTree::recorded("threadripper");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("package:0"));
  EXPECT_TRUE(has_note(**source, "intel-rapl:1: ", "repeats package:0"));
  EXPECT_EQ(device(**source, "package:0")->cpus.size(), 32u);
}

TEST(RaplPowercap, TheDiesOfACascadeLakeApHaveMetersOfTheirOwn) {
  const auto tree = FixtureTree::recorded("cascade_lake_ap");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source),
              UnorderedElementsAre("package:0-die-0", "dram:0-die-0", "package:0-die-1", "dram:0-die-1"));
  EXPECT_EQ(device(**source, "dram:0-die-1")->follows, "package:0-die-1");
  EXPECT_EQ(device(**source, "package:0-die-1")->cpus.front(), 24u);
}

TEST(RaplPowercap, ReadsATreeThatOnlyNestsItsZones) {
  const FixtureTree tree;
  write_zone(tree, "intel-rapl/intel-rapl:0", "package-0\n", "5\n");
  write_zone(tree, "intel-rapl/intel-rapl:0/intel-rapl:0:0", "dram\n", "7\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "dram:0"), 7u);
}

TEST(RaplPowercap, IsAbsentOnAMachineWithoutZones) {
  const auto tree = FixtureTree::recorded("cloud_vm");
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

TEST(RaplPowercap, DeniedNamesTheFileAndTheRemedy) {
  const auto tree = FixtureTree::recorded("all_denied");
  EXPECT_TRUE(holds_unprivileged(tree, [&] {
    const auto source = open_source(kName, tree);
    return !source && source.error().code == Errc::denied &&
           source.error().what.find("energy_uj") != std::string::npos &&
           source.error().what.find("doctor --fix") != std::string::npos;
  }));
}

TEST(RaplPowercap, OneUnreadableZoneLeavesTheOthersAndANote) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  tree.set_mode("sys/class/powercap/intel-rapl:1/energy_uj", 0);
  EXPECT_TRUE(holds_unprivileged(tree, [&] {
    const auto source = open_source(kName, tree);
    return source && channel(**source, "package:0") && !channel(**source, "package:1") &&
           has_note(**source, "intel-rapl:1: ", "denied");
  }));
}

TEST(RaplPowercap, LinksThatLeadNowhereAreAContainerThatHidesThem) {
  const FixtureTree tree;
  std::filesystem::create_directories(tree.root() / "sys/class/powercap");
  std::filesystem::create_symlink("../../devices/virtual/powercap/intel-rapl/intel-rapl:0",
                                  tree.root() / "sys/class/powercap/intel-rapl:0");
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::denied);
  EXPECT_THAT(source.error().what, HasSubstr("container"));
}

TEST(RaplPowercap, AZoneThatVanishesLeavesTheOthersReadings) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  tree.remove("sys/class/powercap/intel-rapl:0:0");
  std::vector<Reading> readings;
  const auto sampled = (*source)->sample(readings);
  ASSERT_FALSE(sampled);
  EXPECT_THAT(sampled.error().what, HasSubstr("intel-rapl:0:0/energy_uj"));
  EXPECT_EQ(readings.size(), 4u);
}

TEST(RaplPowercap, AZoneThatComesBackIsReadAgain) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  tree.remove("sys/class/powercap/intel-rapl:0/energy_uj");
  EXPECT_EQ(raw(**source, "package:0"), std::nullopt);
  tree.write("sys/class/powercap/intel-rapl:0/energy_uj", "42\n");
  EXPECT_EQ(raw(**source, "package:0"), 42u);
}

TEST(RaplPowercap, AnEmptyFileOrAWordIsAnErrorAndNoReading) {
  for (const std::string_view text : {"", "unavailable\n"}) {
    const auto tree = FixtureTree::recorded("epyc");
    auto source = open_source(kName, tree);
    ASSERT_TRUE(source);
    tree.write("sys/class/powercap/intel-rapl:0/energy_uj", text);
    std::vector<Reading> readings;
    const auto sampled = (*source)->sample(readings);
    ASSERT_FALSE(sampled);
    EXPECT_EQ(sampled.error().code, Errc::malformed);
    EXPECT_TRUE(readings.empty());
  }
}

TEST(RaplPowercap, AWordWhereTheCounterShouldBeIsMalformedAtOnce) {
  const FixtureTree tree;
  write_zone(tree, "intel-rapl:0", "package-0\n", "none\n");
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::malformed);
}

TEST(RaplPowercap, AnUnreadableRangeIsNoRange) {
  const FixtureTree tree;
  write_zone(tree, "intel-rapl:0", "package-0\n", "5\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(channel(**source, "package:0")->range, std::nullopt);
}

TEST(RaplPowercap, ADisabledLimitDoesNotDisableTheCounter) {
  const FixtureTree tree;
  write_zone(tree, "intel-rapl:0", "package-0\n", "5\n");
  tree.write("sys/class/powercap/intel-rapl:0/enabled", "0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), 5u);
}

TEST(RaplPowercap, AZoneOfAnUnknownNameIsNoted) {
  const FixtureTree tree;
  write_zone(tree, "intel-rapl:0", "package-0\n", "5\n");
  write_zone(tree, "intel-rapl:0:0", "accelerator\n", "6\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_TRUE(has_note(**source, "intel-rapl:0:0: ", "accelerator"));
}

}  // namespace
}  // namespace everywatt::testing
