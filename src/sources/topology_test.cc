#include "sources/topology.h"

#include <gmock/gmock.h>

#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

TEST(Topology, ListsOfDiesTellOf256CpusInAFewReads) {
  const auto tree = FixtureTree::recorded("cpus_256");
  const Topology topology = read_topology(roots_of(tree));
  ASSERT_EQ(topology.packages.size(), 2u);
  EXPECT_EQ(topology.packages[0].cpus.size(), 128u);
  EXPECT_EQ(topology.of_cpu(127)->number, 1u);
  EXPECT_EQ(topology.of_cpu(128)->number, 0u);
  EXPECT_EQ(topology.of_cpu(256), nullptr);
}

TEST(Topology, WithoutListsEachCpuIsAsked) {
  const auto tree = FixtureTree::recorded("laptop_mmio");
  const Topology topology = read_topology(roots_of(tree));
  ASSERT_EQ(topology.packages.size(), 1u);
  EXPECT_EQ(topology.packages[0].cpus, (std::vector<unsigned>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(Topology, AMachineThatSaysNothingIsOnePackage) {
  const FixtureTree tree;
  tree.write("proc/stat", "cpu  8 0 0 8 0 0 0\ncpu0 4 0 0 4 0 0 0\ncpu3 4 0 0 4 0 0 0\nintr 0\n");
  const Topology topology = read_topology(roots_of(tree));
  ASSERT_EQ(topology.packages.size(), 1u);
  EXPECT_EQ(topology.device(topology.packages[0]).id, "package:0");
  EXPECT_EQ(topology.packages[0].cpus, (std::vector<unsigned>{0, 3}));
}

TEST(Topology, APackageOfMinusOneIsTheFirst) {
  const FixtureTree tree;
  for (const char* cpu : {"cpu0", "cpu1"}) {
    tree.write(std::string{"sys/devices/system/cpu/"} + cpu + "/topology/physical_package_id", "-1\n");
  }
  const Topology topology = read_topology(roots_of(tree));
  ASSERT_EQ(topology.packages.size(), 1u);
  EXPECT_EQ(topology.packages[0].place(), "0");
  EXPECT_EQ(topology.packages[0].cpus.size(), 2u);
}

TEST(Topology, DiesAreApartOnIntelAndTogetherOnAmd) {
  const auto intel = FixtureTree::recorded("cascade_lake_ap");
  EXPECT_EQ(read_topology(roots_of(intel)).packages.size(), 2u);
  const auto amd = FixtureTree::recorded("threadripper");
  EXPECT_EQ(read_topology(roots_of(amd)).packages.size(), 1u);
}

TEST(Topology, DiesAreTogetherWhereOneZoneMetersThePackage) {
  const auto tree = FixtureTree::recorded("cascade_lake_ap");
  tree.write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
  EXPECT_EQ(read_topology(roots_of(tree)).packages.size(), 1u);
}

// The meter puts together what sources say of a device of one id: they must say the same.
TEST(Topology, AllSourcesAgreeOnThePackagesOfEveryRecordedMachine) {
  for (const auto& entry : std::filesystem::directory_iterator{EVERYWATT_SOURCE_DIR "/tests/machines"}) {
    if (entry.path().extension() != ".tree") continue;
    const auto tree = FixtureTree::recorded(entry.path().stem().string());
    const Topology topology = read_topology(roots_of(tree));
    for (const SourceKind& kind : all_sources()) {
      if (!kind.open) continue;  // no part of a recorded machine
      const auto source = kind.open(roots_of(tree));
      if (!source) continue;
      for (const Device& device : (*source)->inventory().devices) {
        if (device.kind != DeviceKind::package) continue;
        const auto is_same = [&](const CpuPackage& p) {
          return topology.device(p).id == device.id && p.cpus == device.cpus;
        };
        EXPECT_TRUE(std::ranges::any_of(topology.packages, is_same))
            << entry.path().stem() << ": " << kind.name << " says " << device.id;
      }
    }
  }
}

TEST(Cpuinfo, OnlyTheFirstProcessorIsRead) {
  const Cpuinfo info = parse_cpuinfo(
      "processor : 0\nvendor_id\t: GenuineIntel\nmodel name\t: First\nflags\t\t: fpu hypervisor vme\n\n"
      "processor : 1\nmodel name\t: Second\n");
  EXPECT_EQ(info.vendor, "GenuineIntel");
  EXPECT_EQ(info.model, "First");
  EXPECT_TRUE(info.hypervisor);
}

TEST(Cpuinfo, AnArmCoreIsNamedFromItsNumbers) {
  const Cpuinfo info = parse_cpuinfo("processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n");
  EXPECT_EQ(info.model, "Neoverse-V2");
  EXPECT_FALSE(info.hypervisor);
}

TEST(Cpuinfo, NothingIsKnownOfNothing) {
  const Cpuinfo info = parse_cpuinfo("");
  EXPECT_EQ(info.model, "");
  EXPECT_FALSE(info.is_amd());
}

}  // namespace
}  // namespace everywatt::testing
