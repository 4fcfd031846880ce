#include "account/accelerators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/text.h"

extern "C" const char accelerators_csv[];
extern "C" const char accelerators_csv_end[];
extern "C" const char accelerator_names_csv[];
extern "C" const char accelerator_names_csv_end[];

namespace everywatt {
namespace {

using testing::AllOf;
using testing::HasSubstr;

double teraflops(std::string_view device, PeakPrecision precision) {
  const auto accelerator = find_accelerator(device);
  if (!accelerator) return 0;
  const auto peak = find_peak(*accelerator, precision);
  return peak ? peak->rate / (1e12 * flop / second) : 0;
}

std::vector<std::vector<std::string_view>> table(const char* begin, const char* end) {
  std::vector<std::vector<std::string_view>> rows;
  for (const std::string_view line : split({begin, static_cast<std::size_t>(end - begin)}, '\n'))
    if (!line.empty()) rows.push_back(split(line, ','));
  rows.erase(rows.begin());
  return rows;
}

// As NVML, amdsmi and the Level Zero driver report them.
TEST(Accelerators, AreFoundByTheNameThatTheDriverReports) {
  const std::map<std::string, std::string> names = {{"NVIDIA H100 80GB HBM3", "H100 SXM5"},
                                                    {"NVIDIA H100 PCIe", "H100 PCIe"},
                                                    {"NVIDIA H100 NVL", "H100 NVL"},
                                                    {"NVIDIA H200", "H200 SXM5"},
                                                    {"NVIDIA GH200 144G HBM3e", "GH200 144GB"},
                                                    {"NVIDIA A100-SXM4-80GB", "A100 SXM4 80GB"},
                                                    {"A100-SXM4-40GB", "A100 SXM4 40GB"},
                                                    {"NVIDIA A100 80GB PCIe", "A100 PCIe 80GB"},
                                                    {"Tesla V100-SXM2-32GB", "V100 SXM2 32GB"},
                                                    {"Tesla T4", "T4"},
                                                    {"NVIDIA A10G", "A10G"},
                                                    {"NVIDIA GeForce RTX 4090", "RTX 4090"},
                                                    {"GeForce RTX 3090", "RTX 3090"},
                                                    {"AMD Instinct MI300X OAM", "MI300X"},
                                                    {"AMD Instinct MI250X", "MI250X"},
                                                    {"AMD Instinct MI250", "MI250"},
                                                    {"Intel(R) Data Center GPU Max 1550", "Data Center GPU Max 1550"},
                                                    {"h100 sxm5", "H100 SXM5"}};
  for (const auto& [reported, device] : names) {
    const auto found = find_accelerator(reported);
    ASSERT_TRUE(found) << reported << ": " << found.error().what;
    EXPECT_EQ(found->name, device) << reported;
  }
}

TEST(Accelerators, AreNotGuessed) {
  for (const char* name : {"NVIDIA H100", "NVIDIA H800", "NVIDIA A100-SXM4-80GB MIG 1g.10gb", "NVIDIA RTX A600",
                           "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA", "", "*"}) {
    const auto found = find_accelerator(name);
    ASSERT_FALSE(found) << name;
    EXPECT_EQ(found.error().code, Errc::absent);
  }
  EXPECT_THAT(find_accelerator("H100").error().what,
              AllOf(HasSubstr("'H100'"), HasSubstr("H100 PCIe"), HasSubstr("H100 NVL")));
}

TEST(Accelerators, HaveNoPeakWhereTheyHaveNoUnits) {
  const auto v100 = find_accelerator("Tesla V100-SXM2-16GB");
  ASSERT_TRUE(v100);
  EXPECT_THAT(find_peak(*v100, PeakPrecision::bf16).error().what, HasSubstr("has no units"));
  EXPECT_THAT(find_peak(*v100, PeakPrecision::int8).error().what, HasSubstr("not known"));
}

TEST(Accelerators, OfConsumersArePeakedWhereTheyAccumulateIn32Bits) {
  EXPECT_DOUBLE_EQ(teraflops("NVIDIA GeForce RTX 4090", PeakPrecision::bf16), 165.2);
  EXPECT_DOUBLE_EQ(teraflops("NVIDIA GeForce RTX 4090", PeakPrecision::fp8), 330.3);
  EXPECT_DOUBLE_EQ(teraflops("NVIDIA GeForce RTX 3090", PeakPrecision::fp16), 71);
}

// Boost clock × operations a unit and clock × units × 2 (fused multiply-add), as their makers state them.
TEST(Accelerators, AgreeWithTheArithmeticOfTheirSpecification) {
  struct Case {
    const char* device;
    double megahertz;
    double fused_per_unit;
    double units;
    double devices;  // that the units belong to
  };
  constexpr Case kCases[] = {{"H100 SXM5", 1830, 512, 528, 1}, {"A100 SXM4 80GB", 1410, 256, 432, 1},
                             {"MI300X", 2100, 256, 1216, 1},   {"MI250X", 1700, 128, 880, 2},
                             {"MI355X", 2400, 512, 1024, 1},   {"Gaudi 2", 1650, 65536, 2, 1}};
  for (const Case& c : kCases) {
    const double peak = c.megahertz * 1e6 * c.fused_per_unit * c.units * 2 / 1e12 / c.devices;
    EXPECT_NEAR(teraflops(c.device, PeakPrecision::bf16), peak, 0.01 * peak) << c.device;
  }
}

TEST(Accelerators, TellHowManyDevicesShareAPackageAndWhatItsPowerIs) {
  const auto mi250x = find_accelerator("AMD Instinct MI250X");
  ASSERT_TRUE(mi250x && mi250x->power && mi250x->memory);
  EXPECT_EQ(mi250x->devices_per_package, 2u);
  EXPECT_DOUBLE_EQ(mi250x->power->power / watt, 560);
  EXPECT_EQ(mi250x->power->term, "TBP");
  EXPECT_DOUBLE_EQ(*mi250x->memory / gigabyte, 64);
}

// One row of the table says one thing once, in the unit of its quantity.
TEST(Accelerators, StandInATableThatIsWhole) {
  const std::map<std::string_view, std::string_view> units = {
      {"memory", "GB"},  {"bandwidth", "GB/s"}, {"devices_per_package", "devices"},
      {"int8", "TOP/s"}, {"power_tdp", "W"},    {"power_tgp", "W"},
      {"power_tbp", "W"}};
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& row : table(accelerators_csv, accelerators_csv_end)) {
    ASSERT_EQ(row.size(), 7u) << row[0];
    const auto place = std::string{row[0]} + " " + std::string{row[1]};
    EXPECT_TRUE(seen.insert({row[0], row[1]}).second) << place << " stands twice";
    const bool is_none = row[2] == "none";
    if (!is_none) {
      EXPECT_GT(parse_double(row[2]).value_or(0), 0) << place;
    }
    const auto unit = units.find(row[1]);
    const std::string_view expected = is_none ? "" : unit == units.end() ? "TFLOP/s" : unit->second;
    EXPECT_EQ(row[3], expected) << place;
    EXPECT_FALSE(row[4].empty()) << place;
    EXPECT_TRUE(row[5] == "high" || row[5] == "medium" || row[5] == "low") << place;
    if (row[4] == "unverified") {
      EXPECT_EQ(row[5], "low") << place;
    }
    EXPECT_EQ(row[6].size(), std::string_view{"2026-11"}.size()) << place;
  }
}

TEST(Accelerators, HaveNamesThatLeadIntoTheTable) {
  const auto devices = known_accelerators();
  for (const auto& row : table(accelerator_names_csv, accelerator_names_csv_end)) {
    ASSERT_EQ(row.size(), 2u) << row[0];
    EXPECT_NE(std::ranges::find(devices, row[1]), devices.end()) << row[0];
  }
}

// Units double as operands halve: a sparse figure or one of the whole package stands out by its factor.
TEST(Accelerators, DoTwiceAsMuchInHalfThePrecision) {
  for (const std::string_view device : known_accelerators()) {
    if (device.starts_with("TPU") || device.starts_with("Trainium") || device.starts_with("Gaudi")) continue;
    const double bf16 = teraflops(device, PeakPrecision::bf16);
    const double tf32 = teraflops(device, PeakPrecision::tf32);
    const double fp8 = teraflops(device, PeakPrecision::fp8);
    if (bf16 > 0 && tf32 > 0) {
      EXPECT_NEAR(bf16 / tf32, 2, 0.1) << device;
    }
    if (bf16 > 0 && fp8 > 0) {
      EXPECT_NEAR(fp8 / bf16, 2, 0.1) << device;
    }
    if (bf16 > 0 && teraflops(device, PeakPrecision::fp16) > 0) {
      EXPECT_EQ(bf16, teraflops(device, PeakPrecision::fp16)) << device;
    }
  }
}

TEST(Precisions, AreReadAsTheyArePrinted) {
  for (const char* name : {"fp64", "fp64-tensor", "fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp4"}) {
    ASSERT_TRUE(parse_precision(name)) << name;
    EXPECT_EQ(to_string(*parse_precision(name)), name);
  }
  EXPECT_FALSE(parse_precision("bf17"));
}

}  // namespace
}  // namespace everywatt
