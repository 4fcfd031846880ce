// What the source of NVIDIA GPUs tells beside their energy, on the stand-in, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "sources/all_sources.h"
#include "sources/source.h"
#include "tests/lab/standin_under_test.h"

namespace everywatt {
namespace {

using lab::StandIn;

class NvmlSource : public ::testing::Test {
 protected:
  void open(const std::string& scenario) {
    (void)standin_.load(scenario);
    const auto kinds = all_sources();
    const auto nvml = std::ranges::find(kinds, "nvml", &SourceKind::name);
    Roots roots;
    roots.nvml_library = EVERYWATT_NVML_STANDIN;
    const auto gpus = (*nvml->find(roots))();
    ASSERT_TRUE(gpus) << gpus.error().what;
    auto source = gpus->front().open();
    ASSERT_TRUE(source) << source.error().what;
    source_ = *std::move(source);
  }

  // Ten a second from `from` on; the last raw value of each quantity that answered.
  std::map<std::string, std::uint64_t> read(Nanoseconds from, int readings) {
    std::map<std::string, std::uint64_t> values;
    counts_.clear();
    for (int i = 0; i < readings; ++i) {
      standin_.at(from + i * kSecond / 10);
      std::vector<Reading> out;
      EXPECT_TRUE(source_->sample(out));
      keep(out, values);
    }
    return values;
  }
  std::map<std::string, std::uint64_t> read_quickly(Nanoseconds at) {
    std::map<std::string, std::uint64_t> values;
    counts_.clear();
    standin_.at(at);
    std::vector<Reading> out;
    EXPECT_TRUE(source_->sample_quickly(out));
    EXPECT_FALSE(out.empty());
    keep(out, values);
    return values;
  }

  const QuantityChannel& quantity(std::string_view name) {
    const auto& all = source_->inventory().quantities;
    const auto found = std::ranges::find(all, name, &QuantityChannel::name);
    EXPECT_EQ(std::ranges::count(all, name, &QuantityChannel::name), 1) << name;
    static const QuantityChannel kNone{};
    return found == all.end() ? kNone : *found;
  }

  void keep(const std::vector<Reading>& out, std::map<std::string, std::uint64_t>& values) {
    const std::size_t channels = source_->inventory().channels.size();
    for (const Reading& reading : out) {
      if (reading.channel < channels) continue;
      const std::string& name = source_->inventory().quantities.at(reading.channel - channels).name;
      values[name] = reading.raw;
      ++counts_[name];
    }
  }

  StandIn standin_;
  std::unique_ptr<Source> source_;
  std::map<std::string, int> counts_;  // how often each was read
};

constexpr const char* kHopper = R"(
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
watts = 300
utilisation = 0.6
memory_utilisation = 0.4
temperature = 51
memory_temperature = 63
idle_clocks = [345, 340, 1593]
busy_clocks = [1980, 1970, 2619]
busy_pstate = 0
held_back = { power_cap = 0.25, thermal = 0.5, software_thermal = 0.125 }
pcie = { sent = 3.0e9, received = 1000 }
nvlink = { sent = 1024000, received = 2048000 }
gpm = { sm_occupancy = 0.4, tensor_utilisation = 0.3, memory_bandwidth = 0.2, fp64_utilisation = 0.1 }
)";

TEST_F(NvmlSource, TellsClocksTemperaturesLimitAndMemory) {
  open(kHopper);
  const auto values = read(kSecond, 1);
  EXPECT_EQ(values.at("graphics_clock"), 1980u);
  EXPECT_EQ(values.at("sm_clock"), 1970u);
  EXPECT_EQ(values.at("memory_clock"), 2619u);
  EXPECT_EQ(values.at("performance_state"), 0u);
  EXPECT_EQ(values.at("temperature"), 51u);
  EXPECT_EQ(values.at("memory_temperature"), 63u);
  EXPECT_EQ(values.at("power_limit"), 700'000u);
  EXPECT_TRUE(values.contains("memory_used"));
  EXPECT_EQ(values.at("memory_utilisation"), 40u);
  EXPECT_EQ(quantity("power_limit").unit, "watts");
  EXPECT_EQ(quantity("power_limit").scale.numerator, 1000u);
  EXPECT_EQ(quantity("temperature").device, source_->inventory().devices.front().id);
}

TEST_F(NvmlSource, CountsByCauseWhyTheClocksWereHeldBack) {
  open(kHopper);
  const auto before = read(kSecond, 1), after = read(4'100 * kMillisecond, 10);
  EXPECT_NEAR(static_cast<double>(after.at("held_back_power_cap") - before.at("held_back_power_cap")), 1e9, 10);
  EXPECT_NEAR(static_cast<double>(after.at("held_back_thermal") - before.at("held_back_thermal")), 2e9, 10);
  EXPECT_NEAR(static_cast<double>(after.at("held_back_software_thermal") - before.at("held_back_software_thermal")),
              5e8, 10);
  EXPECT_EQ(after.at("held_back_power_brake"), 0u);
  EXPECT_EQ(quantity("held_back_power_cap").kind, QuantityKind::tally);
}

// Without a performance monitor.
constexpr const char* kAmpere = R"(
[[gpu]]
name = "NVIDIA A100-SXM4-40GB"
watts = 300
utilisation = 0.6
held_back = { power_cap = 0.25 }
pcie = { sent = 3.0e9, received = 1000 }
nvlink = { sent = 1024000, received = 2048000 }
)";

TEST_F(NvmlSource, CountsBytesAndSaysWhereTheyGoRound) {
  open(kAmpere);
  const auto values = read(2 * kSecond, 1);
  EXPECT_EQ(values.at("pcie_sent"), 6'000'000'000u % (std::uint64_t{1} << 32));
  EXPECT_EQ(values.at("pcie_received"), 2000u);
  EXPECT_EQ(quantity("pcie_sent").range, 0xffffffffu);
  EXPECT_EQ(values.at("nvlink_sent"), 2000u);  // KiB
  EXPECT_EQ(quantity("nvlink_received").scale.numerator, 1024u * 1'000'000u);
}

TEST_F(NvmlSource, OnAFastBusBytesAreTheMeanRateOfThePerformanceMonitor) {
  open(kHopper);
  EXPECT_FALSE(read(kSecond, 10).contains("pcie_sent"));
  const auto values = read(2 * kSecond, 1);
  EXPECT_EQ(values.at("pcie_sent"), 3'000'000'000u);
  EXPECT_EQ(values.at("pcie_received"), 1000u);
  EXPECT_EQ(quantity("pcie_sent").kind, QuantityKind::rate);
  EXPECT_EQ(quantity("pcie_sent").unit, "bytes");
  EXPECT_FALSE(quantity("pcie_sent").range);
}

TEST_F(NvmlSource, OnBlackwellNvlinkIsCountedInBytes) {
  open("[[gpu]]\nname = \"NVIDIA B200\"\nwatts = 300\nnvlink = { sent = 1024000, received = 2048000 }\n");
  EXPECT_EQ(read(2 * kSecond, 1).at("nvlink_sent"), 2'048'000u);
  EXPECT_EQ(quantity("nvlink_sent").scale.numerator, 1'000'000u);
}

TEST_F(NvmlSource, TheMemorysPeakIsTheWidthOfItsBusAtItsHighestClock) {
  open("[[gpu]]\nname = \"NVIDIA H100 80GB HBM3\"\nwatts = 300\n");
  const auto values = read(5 * kSecond, 1);
  EXPECT_EQ(values.at("memory_bandwidth_peak"), 5120ull / 8 * 2 * 2619 * 1'000'000);
  EXPECT_EQ(quantity("memory_bandwidth_peak").unit, "bytes_per_second");
  open(
      "[[gpu]]\nname = \"NVIDIA H100 80GB HBM3\"\nwatts = 300\n[[defect]]\nkind = \"answers\"\nstatus = "
      "\"not_supported\"\ncalls = [\"nvmlDeviceGetMemoryBusWidth\"]\n");
  EXPECT_EQ(quantity("memory_bandwidth_peak").missing, "not supported");
}

TEST_F(NvmlSource, ComparesPerformanceCountersOfTheLastTwoRounds) {
  open(kHopper);
  EXPECT_FALSE(read(kSecond, 10).contains("sm_utilisation"));
  const auto values = read(2 * kSecond, 1);
  EXPECT_EQ(values.at("sm_utilisation"), 600'000u);
  EXPECT_EQ(values.at("sm_occupancy"), 400'000u);
  EXPECT_EQ(values.at("tensor_utilisation"), 300'000u);
  EXPECT_EQ(values.at("memory_bandwidth_utilisation"), 200'000u);
  EXPECT_EQ(values.at("fp64_utilisation"), 100'000u);
  EXPECT_EQ(quantity("sm_utilisation").kind, QuantityKind::share);
}

TEST_F(NvmlSource, ReadsCountsThatGoRoundWithEveryReadingAndTheRestWithEveryTenthAndNeitherInAHunt) {
  open(kAmpere);
  (void)read(kSecond, 40);
  EXPECT_EQ(counts_["pcie_sent"], 40);
  EXPECT_EQ(counts_["held_back_power_cap"], 4);
  EXPECT_EQ(counts_["sm_clock"], 4);
  open(kHopper);
  counts_.clear();
  (void)read(kSecond, 40);
  EXPECT_EQ(counts_["memory_temperature"], 4);
  EXPECT_EQ(counts_["sm_occupancy"], 3);
  EXPECT_EQ(counts_["pcie_sent"], 3);
  for (int i = 0; i < 22; ++i) EXPECT_TRUE(read_quickly(5 * kSecond + i * 5 * kMillisecond).empty());
  (void)read(6 * kSecond, 10);
  EXPECT_EQ(counts_["sm_clock"], 1);
}

TEST_F(NvmlSource, WithoutCountersLooksAtTheReasonsOfTheMoment) {
  open(std::string{kHopper} +
       "[[defect]]\nkind = \"answers\"\nstatus = \"not_supported\"\ncalls = [\"field 74\", \"field 75\", \"field 77\", "
       "\"field 269\", \"field 270\", \"field 271\"]\n");
  const auto values = read(kSecond, 1);
  EXPECT_EQ(values.at("held_back_power_cap"), 1u);
  EXPECT_EQ(values.at("held_back_thermal"), 1u);
  EXPECT_EQ(values.at("held_back_hardware_thermal"), 0u);
  EXPECT_EQ(quantity("held_back_power_cap").kind, QuantityKind::state);
  EXPECT_EQ(quantity("held_back_sync_boost").kind, QuantityKind::tally);
  EXPECT_EQ(quantity("held_back_board_limit").missing, "not supported");
}

TEST_F(NvmlSource, WithoutFieldsTheLimitIsACall) {
  open(std::string{kHopper} + "[[defect]]\nkind = \"missing\"\ncalls = [\"nvmlDeviceGetFieldValues\"]\n");
  const auto values = read(kSecond, 1);
  EXPECT_EQ(values.at("power_limit"), 700'000u);
  EXPECT_EQ(values.at("held_back_power_cap"), 1u);
  EXPECT_EQ(quantity("nvlink_sent").missing, "not supported");
  EXPECT_EQ(quantity("memory_temperature").missing, "not supported");
}

constexpr const char* kCausesOf575 = R"(
[node]
driver = "575.57.08"
[[gpu]]
watts = 300
held_back = { software_thermal = 0.125, hardware_thermal = 0.25, power_brake = 0.5 }
)";

TEST_F(NvmlSource, ReadsCausesWhereDriver575HasThemAndNotItsSettings) {
  open(kCausesOf575);
  const auto values = read(4 * kSecond, 1);
  EXPECT_EQ(values.at("held_back_software_thermal"), 500'000'000u);
  EXPECT_EQ(values.at("held_back_hardware_thermal"), 1'000'000'000u);
  EXPECT_EQ(values.at("held_back_power_brake"), 2'000'000'000u);
  EXPECT_EQ(quantity("held_back_power_brake").kind, QuantityKind::tally);
}

TEST_F(NvmlSource, CountsHowLongTheClocksWereBelowWhatTheyWereSetToAndBelowTheirBase) {
  open("[[gpu]]\nwatts = 300\nheld_back = { below_application_clocks = 0.5, below_base_clocks = 0.25 }\n");
  const auto values = read(4 * kSecond, 1);
  EXPECT_EQ(values.at("held_back_below_application_clocks"), 2'000'000'000u);
  EXPECT_EQ(values.at("held_back_below_base_clocks"), 1'000'000'000u);
}

TEST_F(NvmlSource, WhereNoFieldCountsBytesTheyAreTheMeanRatesOfThePerformanceMonitor) {
  open(std::string{kHopper} +
       "[[defect]]\nkind = \"answers\"\nstatus = \"not_supported\"\ncalls = [\"field 138\", \"field 139\", \"field "
       "197\", "
       "\"field 198\"]\n");
  (void)read(kSecond, 10);
  const auto values = read(2 * kSecond, 1);
  EXPECT_EQ(values.at("pcie_sent"), 3'000'000'000u);
  EXPECT_EQ(values.at("pcie_received"), 1000u);
  EXPECT_EQ(values.at("nvlink_sent"), 1'024'000u);
  EXPECT_EQ(values.at("nvlink_received"), 2'048'000u);
  EXPECT_EQ(quantity("nvlink_sent").kind, QuantityKind::rate);
}

TEST_F(NvmlSource, OfAGpuWithoutLinksNoBytesAreTold) {
  open("[[gpu]]\nname = \"NVIDIA H100 PCIe\"\nwatts = 300\npcie = { sent = 1000, received = 1000 }\n");
  EXPECT_EQ(quantity("nvlink_sent").missing, "not supported");
  EXPECT_EQ(quantity("pcie_sent").kind, QuantityKind::rate);
}

TEST_F(NvmlSource, ADriverThatDoesNotNameTheArchitectureIsAskedForTheComputeCapability) {
  open(
      "[node]\ndriver = \"418.226.00\"\n[[gpu]]\nname = \"Tesla V100-SXM2-16GB\"\nwatts = 200\n[[defect]]\nkind = "
      "\"missing\"\ncalls = [\"nvmlDeviceGetArchitecture\"]\n");
  EXPECT_THAT(source_->inventory().channels.front().provenance, ::testing::HasSubstr("every 20 ms on Volta"));
}

TEST_F(NvmlSource, WhatAKeplerHasNotIsMissingOneByOne) {
  open("[[gpu]]\nname = \"Tesla K40m\"\nwatts = 90\n");
  const auto values = read(kSecond, 11);
  EXPECT_EQ(values.at("temperature"), 40u);
  for (const char* name : {"memory_temperature", "pcie_sent", "nvlink_received", "sm_occupancy", "fp16_utilisation"}) {
    EXPECT_EQ(quantity(name).missing, "not supported") << name;
    EXPECT_FALSE(values.contains(name)) << name;
  }
}

TEST_F(NvmlSource, WhoMayNotLookAtPerformanceCountersIsToldSo) {
  open(std::string{kHopper} +
       "[[defect]]\nkind = \"answers\"\nstatus = \"no_permission\"\ncalls = [\"nvmlGpmSampleGet\"]\n");
  EXPECT_EQ(quantity("sm_occupancy").missing, "no permission");
  EXPECT_FALSE(read(kSecond, 11).contains("sm_occupancy"));
}

TEST_F(NvmlSource, AQuantityThatFailsLaterIsMissingThatTimeAndNoError) {
  open(std::string{kHopper} +
       "[[defect]]\nkind = \"answers\"\nstatus = \"unknown\"\nfrom_s = 2\nto_s = 4\n"
       "calls = [\"field 82\", \"nvmlDeviceGetTemperature\", \"nvmlGpmSampleGet\"]\n");
  EXPECT_TRUE(read(kSecond, 10).contains("temperature"));
  const auto meanwhile = read(2 * kSecond, 20);
  EXPECT_TRUE(meanwhile.contains("sm_clock") && meanwhile.contains("nvlink_received"));
  EXPECT_FALSE(meanwhile.contains("temperature") || meanwhile.contains("pcie_sent") ||
               meanwhile.contains("memory_temperature") || meanwhile.contains("sm_occupancy"));
  const auto after = read(4 * kSecond, 11);
  EXPECT_TRUE(after.contains("temperature") && after.contains("pcie_sent") && after.contains("sm_occupancy"));
}

TEST_F(NvmlSource, ALostGpuIsAskedForNothingElseAndComesBack) {
  open(std::string{kHopper} + "[[defect]]\nkind = \"answers\"\nstatus = \"gpu_is_lost\"\nfrom_s = 2\nto_s = 3\n");
  (void)read(kSecond, 10);
  standin_.at(2 * kSecond + 1);
  std::vector<Reading> out;
  EXPECT_FALSE(source_->sample(out));
  EXPECT_TRUE(out.empty());
  EXPECT_TRUE(read(4 * kSecond, 20).contains("sm_occupancy"));
}

// Some drivers answer for the module of a board that has none.
TEST_F(NvmlSource, OfSuperchipsAloneTheModuleIsADevice) {
  const auto has_module = [&](const std::string& name) {
    open("[[gpu]]\nname = \"" + name + "\"\narchitecture = \"hopper\"\nwatts = 200\nmodule = { watts = 200 }\n");
    return std::ranges::count(source_->inventory().devices, DeviceKind::module, &Device::kind) > 0;
  };
  for (const char* name :
       {"NVIDIA GH200 480GB", "NVIDIA GH200 144G HBM3e", "GH200 120GB", "NVIDIA GB200", "NVIDIA GB300", "NVIDIA GB10"})
    EXPECT_TRUE(has_module(name)) << name;
  for (const char* name : {"NVIDIA A100-SXM4-80GB", "NVIDIA H100 80GB HBM3", "NVIDIA B200"})
    EXPECT_FALSE(has_module(name)) << name;
}

TEST_F(NvmlSource, ASensorThatFailsForGoodTakesNothingElseAway) {
  open(std::string{kHopper} +
       "[[defect]]\nkind = \"answers\"\nstatus = \"not_supported\"\ncalls = [\"field 186\"]\nfrom_s = 2\n");
  EXPECT_TRUE(read(kSecond, 10).contains("temperature"));
  std::map<std::string, std::uint64_t> values;
  counts_.clear();
  std::vector<Reading> out;
  for (int i = 0; i < 40; ++i) {
    standin_.at(2'050 * kMillisecond + i * kSecond / 10);
    out.clear();
    EXPECT_FALSE(source_->sample(out)) << "it is said";
    keep(out, values);
  }
  EXPECT_EQ(counts_["sm_clock"], 4);
  EXPECT_EQ(counts_["temperature"], 4);
  EXPECT_EQ(counts_["sm_occupancy"], 4);
  EXPECT_EQ(std::ranges::count(out, 0u, &Reading::channel), 1) << "the counter goes on";
}

// Before there were fields.
TEST_F(NvmlSource, WhereTheCounterFailsForGoodTheCallForPowerIsStillMade) {
  open(
      "[node]\ndriver = \"418.226.00\"\n[[gpu]]\nname = \"Tesla V100-SXM2-16GB\"\nwatts = 200\n[[defect]]\nkind = "
      "\"missing\"\ncalls = [\"nvmlDeviceGetFieldValues\"]\n[[defect]]\nkind = \"answers\"\nstatus = "
      "\"not_supported\"\ncalls = [\"nvmlDeviceGetTotalEnergyConsumption\"]\nfrom_s = 2\n");
  ASSERT_EQ(source_->inventory().channels.at(0).sensor, "nvml-counter");
  ASSERT_EQ(source_->inventory().channels.at(1).sensor, "nvml-power");
  standin_.at(3 * kSecond);
  std::vector<Reading> out;
  EXPECT_FALSE(source_->sample(out)) << "it is said";
  EXPECT_EQ(std::ranges::count(out, 1u, &Reading::channel), 1);
}

}  // namespace
}  // namespace everywatt
