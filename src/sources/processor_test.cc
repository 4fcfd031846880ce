#include <gmock/gmock.h>

#include "sources/processor_table.h"
#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::HasSubstr;

// The names are as Linux prints them.
TEST(ProcessorTable, FindsWhatProcCpuinfoCallsTheProcessor) {
  struct Case {
    const char* model_name;
    const char* row;
    double watts;
  };
  constexpr Case kCases[] = {
      {"Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz", "Xeon Gold 6148", 150},
      {"Intel(R) Xeon(R) Platinum 8480+", "Xeon Platinum 8480+", 350},
      {"INTEL(R) XEON(R) PLATINUM 8592+", "Xeon Platinum 8592+", 350},
      {"Intel(R) Xeon(R) Platinum 8358 CPU @ 2.60GHz", "Xeon Platinum 8358", 250},
      {"Intel(R) Xeon(R) Platinum 9242 CPU @ 2.30GHz", "Xeon Platinum 9242", 350},
      {"Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz", "Xeon E5-2670", 115},
      {"Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz", "Xeon E5-2670 v3", 120},
      {"Intel(R) Xeon(R) CPU E5-2697 v4 @ 2.30GHz", "Xeon E5-2697 v4", 145},
      {"Intel(R) Xeon(R) CPU E3-1230 V2 @ 3.30GHz", "Xeon E3-1230 v2", 69},
      {"Intel(R) Xeon(R) W-2295 CPU @ 3.00GHz", "Xeon W-2295", 165},
      {"Intel(R) Xeon(R) Silver 4214 CPU @ 2.20GHz", "Xeon Silver 4214", 85},
      {"Intel(R) Xeon(R) 6980P", "Xeon 6980P", 500},
      {"Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", "Core i7-8700K", 95},
      {"Intel(R) Core(TM) i9-7920X CPU @ 2.90GHz", "Core i9-7920X", 140},
      {"11th Gen Intel(R) Core(TM) i7-1185G7 @ 3.00GHz", "Core i7-1185G7", 28},
      {"12th Gen Intel(R) Core(TM) i7-12700K", "Core i7-12700K", 125},
      {"13th Gen Intel(R) Core(TM) i9-13900K", "Core i9-13900K", 125},
      {"Intel(R) Core(TM) Ultra 7 155H", "Core Ultra 7 155H", 28},
      {"Intel(R) N100", "N100", 6},
      {"AMD EPYC 7543 32-Core Processor", "EPYC 7543", 225},
      {"AMD EPYC 7763 64-Core Processor", "EPYC 7763", 280},
      {"AMD EPYC 9654 96-Core Processor", "EPYC 9654", 360},
      {"AMD EPYC 9755 128-Core Processor", "EPYC 9755", 500},
      {"AMD Ryzen 9 7950X 16-Core Processor", "Ryzen 9 7950X", 170},
      {"AMD Ryzen 7 PRO 5850U with Radeon Graphics", "Ryzen 7 PRO 5850U", 15},
      {"AMD Ryzen AI 9 HX 370 w/ Radeon 890M", "Ryzen AI 9 HX 370", 28},
      {"AMD Ryzen Threadripper 1950X 16-Core Processor", "Ryzen Threadripper 1950X", 180},
      {"AMD Ryzen Threadripper PRO 5995WX 64-Cores", "Ryzen Threadripper PRO 5995WX", 280},
  };
  for (const Case& expected : kCases) {
    const auto found = find_processor(expected.model_name);
    ASSERT_TRUE(found) << expected.model_name;
    EXPECT_EQ(found->model, expected.row);
    EXPECT_DOUBLE_EQ(found->tdp / watt, expected.watts) << expected.model_name;
  }
}

TEST(ProcessorTable, DoesNotMistakeOneProcessorForAnother) {
  for (const char* unknown :
       {"AMD EPYC", "AMD EPYC-Rome Processor", "Intel(R) Xeon(R) CPU @ 2.20GHz", "Intel Xeon Processor (Skylake)",
        "QEMU Virtual CPU version 2.5+", "Neoverse-V2", "", "Intel(R) Xeon(R) Gold 614 CPU @ 2.40GHz"}) {
    EXPECT_FALSE(find_processor(unknown)) << unknown;
  }
}

TEST(Processor, ShareOfRatedPowerFollowsTheLoadCurve) {
  const auto tree = FixtureTree::recorded("epyc");
  auto source = open_source("processor", tree);
  ASSERT_TRUE(source);
  const Channel& package = *channel(**source, "package:0");
  EXPECT_EQ(package.kind, ChannelKind::model);
  EXPECT_NEAR(package.model.at(0) / watt, 0.12 * 225, 1e-9);
  EXPECT_NEAR(package.model.at(0.10) / watt, 0.32 * 225, 1e-9);
  EXPECT_NEAR(package.model.at(0.50) / watt, 0.75 * 225, 1e-9);
  EXPECT_NEAR(package.model.at(1) / watt, 1.02 * 225, 1e-9);
  EXPECT_NEAR(package.model.at(0.75) / watt, (0.75 + 1.02) / 2 * 225, 1e-9);
  EXPECT_DOUBLE_EQ(package.systematic, 0.40);
  EXPECT_THAT(package.provenance, HasSubstr("Teads"));
}

TEST(Processor, EachPackageHasAModelOfItsOwn) {
  const auto tree = FixtureTree::recorded("cpus_256");
  auto source = open_source("processor", tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ::testing::ElementsAre("package:0", "package:1"));
  EXPECT_NEAR(channel(**source, "package:1")->model.at(1) / watt, 1.02 * 280, 1e-9);
}

TEST(Processor, TheDiesOfAPackageShareItsRatedPower) {
  const auto tree = FixtureTree::recorded("cascade_lake_ap");
  auto source = open_source("processor", tree);
  ASSERT_TRUE(source);
  EXPECT_NEAR(channel(**source, "package:0-die-1")->model.at(1) / watt, 1.02 * 350 / 2, 1e-9);
}

TEST(Processor, AVirtualCpuTakesItsProvidersFigures) {
  struct Case {
    const char* vendor;
    const char* product;
    double idle;
    double full;
  };
  constexpr Case kCases[] = {
      {"Amazon EC2\n", "m5.xlarge\n", 0.74, 3.50},
      {"Google\n", "Google Compute Engine\n", 0.71, 4.26},
      {"Microsoft Corporation\n", "Virtual Machine\n", 0.78, 3.76},
      {"QEMU\n", "Standard PC (Q35 + ICH9, 2009)\n", (0.74 + 0.71 + 0.78) / 3, (3.50 + 4.26 + 3.76) / 3},
  };
  for (const Case& host : kCases) {
    const auto tree = FixtureTree::recorded("cloud_vm");
    tree.write("sys/class/dmi/id/sys_vendor", host.vendor);
    tree.write("sys/class/dmi/id/product_name", host.product);
    auto source = open_source("processor", tree);
    ASSERT_TRUE(source);
    EXPECT_NEAR(channel(**source, "package:0")->model.at(0) / watt, 4 * host.idle, 1e-9) << host.vendor;
    EXPECT_NEAR(channel(**source, "package:0")->model.at(1) / watt, 4 * host.full, 1e-9) << host.vendor;
  }
}

TEST(Processor, BareMetalOfACloudIsNoVirtualMachine) {
  const auto tree = FixtureTree::recorded("epyc");
  tree.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
  tree.write("sys/class/dmi/id/product_name", "m6a.metal\n");
  auto source = open_source("processor", tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(channel(**source, "package:0")->provenance, HasSubstr("225 W"));
}

TEST(Processor, AnArmGuestIsKnownByItsFirmware) {
  const auto tree = FixtureTree::recorded("grace_hopper");
  tree.write("sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
  tree.write("sys/class/dmi/id/product_name", "m8g.18xlarge\n");
  auto source = open_source("processor", tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(channel(**source, "package:0")->provenance, HasSubstr("72 virtual CPUs"));
}

TEST(Processor, AnUnknownProcessorIsAGuessThatSaysSo) {
  const auto tree = FixtureTree::recorded("epyc");
  tree.write("proc/cpuinfo", "processor : 0\nvendor_id : AuthenticAMD\nmodel name : AMD Eng Sample\nflags : fpu\n\n");
  auto source = open_source("processor", tree);
  ASSERT_TRUE(source);
  EXPECT_DOUBLE_EQ(channel(**source, "package:0")->systematic, 0.70);
  EXPECT_THAT(channel(**source, "package:0")->provenance, HasSubstr("guess"));
}

}  // namespace
}  // namespace everywatt::testing
