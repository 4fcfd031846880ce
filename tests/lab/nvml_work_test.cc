// What the source of NVIDIA GPUs tells of their work and for whom, on the stand-in, in virtual time.
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

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class NvmlWork : public ::testing::Test {
 protected:
  void open(const std::string& scenario, Nanoseconds at = 0) {
    (void)standin_.load(scenario);
    standin_.at(at);
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

  std::vector<Reading> read(Nanoseconds at) {
    standin_.at(at);
    std::vector<Reading> out;
    EXPECT_TRUE(source_->sample(out));
    std::erase_if(out, [&](const Reading& reading) { return reading.channel >= channels().size(); });
    return out;
  }
  std::vector<Reading> read_quickly(Nanoseconds at) {
    standin_.at(at);
    std::vector<Reading> out;
    EXPECT_TRUE(source_->sample_quickly(out));
    return out;
  }
  const std::vector<Channel>& channels() const { return source_->inventory().channels; }

  // Of one kind, and one slice: process → raw.
  std::map<std::int64_t, std::uint64_t> by_process(const std::vector<Reading>& readings, ChannelKind kind,
                                                   std::optional<std::size_t> slice = {}) const {
    std::map<std::int64_t, std::uint64_t> found;
    for (const Reading& reading : readings) {
      const Channel& channel = channels().at(reading.channel);
      if (channel.kind == kind && channel.slice == slice) found[reading.pid] = reading.raw;
    }
    return found;
  }

  lab::StandIn standin_;
  std::unique_ptr<Source> source_;
};

TEST_F(NvmlWork, TellsEverySampleOnceWithTheDriversStamp) {
  open("[[gpu]]\nwatts = 300\nutilisation = { low = 0, high = 1, period_s = 0.3333333, duty = 0.5 }\n");
  (void)read(kSecond);
  std::vector<std::pair<Nanoseconds, std::uint64_t>> told;
  for (Nanoseconds at = kSecond; at <= 2 * kSecond; at += kSecond / 10) {
    for (const Reading& reading : read(at)) {
      if (channels()[reading.channel].kind != ChannelKind::utilisation || reading.pid != 0) continue;
      ASSERT_TRUE(reading.stamped);
      told.emplace_back(*reading.stamped, reading.raw);
    }
  }
  ASSERT_EQ(told.size(), 6u);
  for (std::size_t i = 1; i < told.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(told[i].first - told[i - 1].first), 1e9 / 6, 2e3);
    EXPECT_EQ(told[i].second, told[i - 1].second == 0 ? 1'000'000u : 0u);
  }
}

TEST_F(NvmlWork, TheFirstReadingTellsOfTheSecondBefore) {
  open("[[gpu]]\nwatts = 300\nutilisation = 0.5\n", 5 * kSecond);
  std::vector<Nanoseconds> stamps;
  for (const Reading& reading : read(5 * kSecond + kSecond / 100)) {
    if (reading.stamped && channels()[reading.channel].kind == ChannelKind::utilisation)
      stamps.push_back(*reading.stamped);
  }
  ASSERT_GE(stamps.size(), 5u);
  EXPECT_NEAR(static_cast<double>(stamps.back() - stamps.front()), static_cast<double>(kSecond), 0.4e9);
  EXPECT_THAT(read(5 * kSecond + kSecond / 50), ::testing::Each(::testing::Field(&Reading::stamped, std::nullopt)));
}

TEST_F(NvmlWork, IsNotAskedForInAHunt) {
  open("[[gpu]]\nwatts = 300\nutilisation = 0.5\n[[gpu.process]]\npid = 7\n");
  for (const Reading& reading : read_quickly(kSecond)) {
    ASSERT_LT(reading.channel, channels().size());
    const ChannelKind kind = channels()[reading.channel].kind;
    EXPECT_TRUE(kind == ChannelKind::energy || kind == ChannelKind::power);
  }
}

constexpr const char* kNoProcessSamples =
    "[[defect]]\nkind = \"answers\"\ncalls = [\"nvmlDeviceGetProcessUtilization\"]\n";

TEST_F(NvmlWork, WhoAloneHoldsAContextDidAllThatWasDone) {
  open(std::string{"[[gpu]]\nwatts = 300\nutilisation = 0.5\n[[gpu.process]]\npid = 7\n"} + kNoProcessSamples);
  (void)read(kSecond);
  EXPECT_THAT(by_process(read(2 * kSecond), ChannelKind::utilisation),
              ElementsAre(Pair(0, 500'000u), Pair(7, 500'000u)));
}

TEST_F(NvmlWork, OneWhoHeldAContextUntilJustBeforeCountsToo) {
  const std::string two =
      "[[gpu]]\nwatts = 300\nutilisation = 0.5\n[[gpu.process]]\npid = 7\nshare = 0.5\n[[gpu.process]]\npid = 8\nshare "
      "= 0.5\nto_s = 2.5\n";
  open(two + kNoProcessSamples);
  (void)read(2 * kSecond);
  EXPECT_THAT(by_process(read(3 * kSecond), ChannelKind::utilisation), ElementsAre(Pair(0, 500'000u)));
  EXPECT_THAT(by_process(read(4 * kSecond), ChannelKind::utilisation),
              ElementsAre(Pair(0, 500'000u), Pair(7, 500'000u)));
  open(two);
  (void)read(2 * kSecond);
  EXPECT_THAT(by_process(read(2'400 * kMillisecond), ChannelKind::utilisation),
              ElementsAre(Pair(0, _), Pair(7, _), Pair(8, _)));
}

TEST_F(NvmlWork, WithoutSamplesTheRegisterTells) {
  open("[[gpu]]\nwatts = 300\nutilisation = 0.5\n[[defect]]\nkind = \"answers\"\ncalls = [\"nvmlDeviceGetSamples\"]\n");
  const auto utilisation = by_process(read(kSecond), ChannelKind::utilisation);
  EXPECT_THAT(utilisation, ElementsAre(Pair(0, 500'000u)));
}

TEST_F(NvmlWork, TheServerOfMpsHoldsAndWorksForItsClients) {
  open(R"(
[[gpu]]
watts = 300
utilisation = 0.6
[[gpu.process]]
pid = 100
name = "/usr/bin/nvidia-cuda-mps-server"
share = 0
sampled_share = 1
[[gpu.process]]
pid = 7
mps_client = true
share = 0.5
sampled_share = 0
[[gpu.process]]
pid = 8
mps_client = true
share = 0.5
sampled_share = 0
)");
  (void)read(kSecond);
  const auto readings = read(2 * kSecond);
  const auto contexts = by_process(readings, ChannelKind::context);
  EXPECT_FALSE(contexts.contains(100));
  EXPECT_TRUE(contexts.contains(7) && contexts.contains(8));
  EXPECT_EQ(by_process(readings, ChannelKind::utilisation).at(7), 300'000u);
  EXPECT_FALSE(by_process(readings, ChannelKind::utilisation).contains(100));
}

constexpr const char* kSliced = R"(
[[gpu]]
name = "NAME"
watts = 300
mig = true
[[gpu.instance]]
gpu_instance = 2
compute_slices = 3
uuid = "MIG-three"
utilisation = 0.8
[[gpu.instance]]
gpu_instance = 5
compute_slices = 1
uuid = "MIG-one"
[[gpu.process]]
pid = 7
instance = 2
)";

TEST_F(NvmlWork, OfACutGpuEachSliceTellsItsHoldersAndByPerformanceCountersItsWork) {
  std::string scenario = kSliced;
  open(scenario.replace(scenario.find("NAME"), 4, "NVIDIA H100 80GB HBM3"));
  const auto& slices = source_->inventory().devices.front().slices;
  ASSERT_EQ(slices.size(), 2u);
  EXPECT_DOUBLE_EQ(slices[0].share, 3.0 / 7);
  EXPECT_THAT(slices[0].names, ElementsAre("MIG-three"));
  EXPECT_DOUBLE_EQ(slices[1].share, 1.0 / 7);
  std::vector<Reading> readings;
  for (int i = 0; i < 20; ++i) {
    for (const Reading& reading : read(kSecond + i * kSecond / 10)) readings.push_back(reading);
  }
  EXPECT_THAT(by_process(readings, ChannelKind::utilisation, 0), ElementsAre(Pair(0, 800'000u)));
  EXPECT_THAT(by_process(readings, ChannelKind::utilisation, 1), ElementsAre(Pair(0, 0u)));
  EXPECT_EQ(by_process(readings, ChannelKind::context, 0).at(0), 1u);
  EXPECT_TRUE(by_process(readings, ChannelKind::context, 0).contains(7));
  EXPECT_THAT(by_process(readings, ChannelKind::context, 1), ElementsAre(Pair(0, 0u)));
  EXPECT_THAT(by_process(readings, ChannelKind::context), IsEmpty());
}

TEST_F(NvmlWork, OfACutGpuWithoutPerformanceCountersTheWorkIsNotTold) {
  std::string scenario = kSliced;
  open(scenario.replace(scenario.find("NAME"), 4, "NVIDIA A100-SXM4-80GB"));
  const auto readings = read(kSecond);
  EXPECT_THAT(by_process(readings, ChannelKind::utilisation, 0), IsEmpty());
  EXPECT_TRUE(by_process(readings, ChannelKind::context, 0).contains(7));
  EXPECT_THAT(source_->inventory().notes, ::testing::Contains(::testing::HasSubstr("utilisation of MIG instance 2")));
}

TEST_F(NvmlWork, TheMemoryOfAGpuIsListedAsAPartOfIt) {
  open("[[gpu]]\nwatts = 300\n[gpu.memory]\nwatts = 60\ncounter = {}\n");
  const auto& devices = source_->inventory().devices;
  const auto memory = std::ranges::find(devices, DeviceKind::memory, &Device::kind);
  ASSERT_NE(memory, devices.end());
  EXPECT_EQ(memory->parent, devices.front().id);
  EXPECT_EQ(devices.front().node, "/dev/nvidia0");
}

}  // namespace
}  // namespace everywatt
