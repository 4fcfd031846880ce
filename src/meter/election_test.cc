#include "meter/election.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace everywatt {
namespace {

Inventory sensors(std::vector<Device> devices, std::vector<Channel> channels) {
  return {.devices = std::move(devices), .channels = std::move(channels)};
}

const Elected* find(const Election& election, std::string_view id) {
  const auto found = std::ranges::find_if(election.devices, [&](const Elected& e) { return e.device.id == id; });
  return found == election.devices.end() ? nullptr : &*found;
}

const Inventory kPackageCounter =
    sensors({{.id = "package:0", .kind = DeviceKind::package}}, {{.device = "package:0", .sensor = "rapl", .rank = 1}});
const Inventory kPackageModel =
    sensors({{.id = "package:0", .kind = DeviceKind::package, .model = "EPYC"}},
            {{.device = "package:0", .kind = ChannelKind::model, .method = Method::modelled}});
const Inventory kMemoryModel =
    sensors({{.id = "memory:0", .kind = DeviceKind::memory}},
            {{.device = "memory:0", .kind = ChannelKind::model, .method = Method::modelled}});

TEST(Election, ACounterBeatsAModelWhicheverComesFirst) {
  const Inventory* inventories[] = {&kPackageModel, &kPackageCounter};
  const Election election = elect(inventories);
  ASSERT_EQ(election.devices.size(), 1u);
  EXPECT_EQ(election.devices[0].candidates[0], (ChannelPlace{1, 0}));
  EXPECT_EQ(election.devices[0].device.model, "EPYC");
  EXPECT_TRUE(election.devices[0].counted);
}

TEST(Election, ModelledMemoryStandsBackWhereADramMeterExists) {
  const Inventory dram =
      sensors({{.id = "dram:0", .kind = DeviceKind::dram}}, {{.device = "dram:0", .sensor = "rapl"}});
  const Inventory* with[] = {&kMemoryModel, &dram};
  EXPECT_EQ(find(elect(with), "memory:0"), nullptr);
  EXPECT_EQ(elect(with).excluded.front().why, "a dram meter exists");
  const Inventory* without[] = {&kMemoryModel, &kPackageCounter};
  EXPECT_NE(find(elect(without), "memory:0"), nullptr);
}

TEST(Election, NodeMetersAreListedBesideTheSumUnlessTheSiteCountsByNode) {
  const Inventory psys =
      sensors({{.id = "psys:0", .kind = DeviceKind::psys}}, {{.device = "psys:0", .sensor = "rapl"}});
  const Inventory* inventories[] = {&kPackageCounter, &psys};
  EXPECT_FALSE(find(elect(inventories), "psys:0")->counted);
  EXPECT_TRUE(find(elect(inventories), "package:0")->counted);
  EXPECT_TRUE(find(elect(inventories, Boundary::node), "psys:0")->counted);
  EXPECT_FALSE(find(elect(inventories, Boundary::node), "package:0")->counted);
}

TEST(Election, AGpuThatNothingMetersIsThereWithTheReason) {
  Inventory mute = sensors({{.id = "gpu:GPU-1", .kind = DeviceKind::gpu}},
                           {{.device = "gpu:GPU-1", .kind = ChannelKind::utilisation, .sensor = "nvml-utilisation"}});
  mute.notes = {"gpu:GPU-1 energy counter: no permission", "gpu:GPU-1: nothing is told (no permission)"};
  const Inventory* inventories[] = {&kPackageCounter, &mute};
  const Election election = elect(inventories);
  const Elected* gpu = find(election, "gpu:GPU-1");
  ASSERT_NE(gpu, nullptr);
  EXPECT_TRUE(gpu->counted);
  EXPECT_TRUE(gpu->candidates.empty());
  EXPECT_EQ(gpu->reason, "nothing is told (no permission)");
  ASSERT_EQ(election.excluded.size(), 1u);  // said once
  EXPECT_EQ(election.excluded[0].what, "gpu:GPU-1 energy counter");
}

TEST(Election, AModuleThatAGpuTellsIsNeverAddedToTheProcessor) {
  const Inventory gpu =
      sensors({{.id = "gpu:GPU-1", .kind = DeviceKind::gpu, .parent = "module:GPU-1"},
               {.id = "module:GPU-1", .kind = DeviceKind::module}},
              {{.device = "gpu:GPU-1", .sensor = "nvml"}, {.device = "module:GPU-1", .sensor = "nvml"}});
  // A processor that is only modelled: the module holds it.
  const Inventory* modelled[] = {&kPackageModel, &kMemoryModel, &gpu};
  EXPECT_TRUE(find(elect(modelled), "module:GPU-1")->counted);
  EXPECT_FALSE(find(elect(modelled), "gpu:GPU-1")->counted);
  EXPECT_EQ(find(elect(modelled), "package:0"), nullptr);
  EXPECT_EQ(find(elect(modelled), "memory:0"), nullptr);
  // One with a meter of its own: the parts are counted, the module is listed.
  const Inventory* metered[] = {&kPackageCounter, &gpu};
  EXPECT_FALSE(find(elect(metered), "module:GPU-1")->counted);
  EXPECT_TRUE(find(elect(metered), "gpu:GPU-1")->counted);
  EXPECT_TRUE(find(elect(metered), "package:0")->counted);
  // Where the node's own sensors tell the modules apart, theirs are taken.
  const Inventory module =
      sensors({{.id = "module:0", .kind = DeviceKind::module},
               {.id = "package:0", .kind = DeviceKind::package, .parent = "module:0"}},
              {{.device = "module:0", .sensor = "hwmon"}, {.device = "package:0", .sensor = "hwmon"}});
  const Inventory* both[] = {&module, &gpu};
  EXPECT_EQ(find(elect(both), "module:GPU-1"), nullptr);
  EXPECT_FALSE(find(elect(both), "module:0")->counted);
  EXPECT_TRUE(find(elect(both), "gpu:GPU-1")->counted);
}

TEST(Election, AModuleCountsOnlyWhereItsPartsCannotBeSeparated) {
  const Inventory module =
      sensors({{.id = "module:0", .kind = DeviceKind::module}}, {{.device = "module:0", .sensor = "hwmon"}});
  const Inventory* alone[] = {&module};
  EXPECT_TRUE(find(elect(alone), "module:0")->counted);
  const Inventory grace = sensors({{.id = "package:0", .kind = DeviceKind::package, .parent = "module:0"}},
                                  {{.device = "package:0", .sensor = "hwmon"}});
  const Inventory* without_gpu[] = {&module, &grace};
  EXPECT_TRUE(find(elect(without_gpu), "module:0")->counted);
  EXPECT_FALSE(find(elect(without_gpu), "package:0")->counted);
  const Inventory gpu = sensors({{.id = "gpu:GPU-1", .kind = DeviceKind::gpu, .parent = "module:0"}},
                                {{.device = "gpu:GPU-1", .sensor = "nvml"}});
  const Inventory* all[] = {&module, &grace, &gpu};
  EXPECT_FALSE(find(elect(all), "module:0")->counted);
  EXPECT_TRUE(find(elect(all), "package:0")->counted);
  EXPECT_TRUE(find(elect(all), "gpu:GPU-1")->counted);
}

TEST(Election, CoreAndUncoreAreInsideTheirPackage) {
  const Inventory core = sensors({{.id = "core:0", .kind = DeviceKind::core, .parent = "package:0"}},
                                 {{.device = "core:0", .sensor = "rapl"}});
  const Inventory* inventories[] = {&kPackageCounter, &core};
  EXPECT_FALSE(find(elect(inventories), "core:0")->counted);
}

}  // namespace
}  // namespace everywatt
