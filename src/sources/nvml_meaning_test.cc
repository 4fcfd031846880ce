#include "sources/nvml_meaning.h"

#include <gtest/gtest.h>

namespace everywatt::nvml {
namespace {

constexpr unsigned kDriver = 525;

// Yang, Adamek, Armour, SC'24, sheet 3 of their workbook.
TEST(NvmlMeaning, AQuadroRtx8000SeesAFifthOfTheTimeUnlikeOtherTuring) {
  for (const PowerCall call : {PowerCall::usage, PowerCall::instant}) {
    const PowerMeaning exception = meaning_of(call, Architecture::turing, "Quadro RTX 8000", kDriver);
    EXPECT_EQ(exception.window, 20 * kMillisecond);
    EXPECT_EQ(exception.period, 100 * kMillisecond);
    EXPECT_TRUE(exception.is_part_time() && exception.is_known);
    for (const char* name : {"Quadro RTX 6000", "NVIDIA GeForce RTX 2080 Ti", "Tesla T4"})
      EXPECT_FALSE(meaning_of(call, Architecture::turing, name, kDriver).is_part_time()) << name;
  }
}

TEST(NvmlMeaning, ABoardForMiningWithTheChipOfTheA100IsReadAsThat) {
  for (const char* name : {"NVIDIA CMP 170HX", "NVIDIA A100-SXM4-80GB", "NVIDIA A100X", "NVIDIA A30"})
    EXPECT_TRUE(meaning_of(PowerCall::usage, Architecture::ampere, name, kDriver).is_part_time()) << name;
  EXPECT_FALSE(meaning_of(PowerCall::usage, Architecture::ampere, "NVIDIA RTX A3000", kDriver).is_part_time());
}

TEST(NvmlMeaning, KeplerAndMaxwellFollowPowerLateAndThatWasMeasured) {
  for (const Architecture architecture : {Architecture::kepler, Architecture::maxwell}) {
    const PowerMeaning meaning = meaning_of(PowerCall::usage, architecture, "Tesla K40m", 470);
    EXPECT_TRUE(meaning.is_known) << name_of(architecture);
    EXPECT_FALSE(meaning.is_part_time());
    EXPECT_EQ(meaning.period, 100 * kMillisecond);
  }
  EXPECT_FALSE(meaning_of(PowerCall::usage, Architecture::blackwell, "NVIDIA B200", 580).is_known);
  EXPECT_FALSE(meaning_of(PowerCall::instant, Architecture::unknown, "NVIDIA R100", 580).is_known);
}

// The mean over a second was measured where there is one.
TEST(NvmlMeaning, AnAverageIsKnownOfThoseGpusAloneThatHaveOne) {
  EXPECT_TRUE(meaning_of(PowerCall::average, Architecture::hopper, "NVIDIA H100 PCIe", 550).is_known);
  EXPECT_TRUE(meaning_of(PowerCall::average, Architecture::ampere, "NVIDIA A10", 550).is_known);
  EXPECT_FALSE(meaning_of(PowerCall::average, Architecture::ampere, "NVIDIA A100-SXM4-40GB", 550).is_known);
  EXPECT_FALSE(meaning_of(PowerCall::average, Architecture::turing, "Tesla T4", 550).is_known);
}

}  // namespace
}  // namespace everywatt::nvml
