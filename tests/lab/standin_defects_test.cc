#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/lab/standin_under_test.h"

namespace everywatt::lab {
namespace {

using nvml::Device;
using nvml::Field;
using nvml::Return;

const std::string kTwo = "[[gpu]]\ncount = 2\nwatts = 200\ncounter = { start = 9000 }\n";

TEST(StandInDefects, ACallAnswersWhatItIsTold) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kTwo + "[[defect]]\nkind = \"answers\"\nstatus = \"no_permission\"\n"
                             "calls = [\"nvmlDeviceGetPowerUsage\", \"field 186\"]\ngpu = 1\n"),
            Return::success);
  std::uint32_t milliwatts = 0;
  EXPECT_EQ(nvml.call.power_usage(nvml.gpu(0), &milliwatts), Return::success);
  EXPECT_EQ(nvml.call.power_usage(nvml.gpu(1), &milliwatts), Return::no_permission);
  EXPECT_EQ(nvml.field(nvml.gpu(1), Field::power_instant).status, Return::no_permission);
  EXPECT_EQ(nvml.field(nvml.gpu(1), Field::power_average).status, Return::success);
}

TEST(StandInDefects, ALostGpuIsLostForEveryCallUntilItIsBack) {
  StandIn nvml;
  ASSERT_EQ(
      nvml.load(kTwo + "[[defect]]\nkind = \"answers\"\nstatus = \"gpu_is_lost\"\ngpu = 0\nfrom_s = 1\nto_s = 2\n"),
      Return::success);
  const Device gpu = nvml.gpu(0);
  nvml.at(1500 * kMillisecond);
  std::uint32_t milliwatts = 0;
  EXPECT_EQ(nvml.call.power_usage(gpu, &milliwatts), Return::gpu_is_lost);
  EXPECT_EQ(nvml.field(gpu, Field::energy).status, Return::gpu_is_lost);
  Device again{};
  EXPECT_EQ(nvml.call.device_by_index(0, &again), Return::gpu_is_lost);
  EXPECT_EQ(nvml.call.power_usage(nvml.gpu(1), &milliwatts), Return::success);
  nvml.at(2 * kSecond);
  EXPECT_EQ(nvml.call.power_usage(gpu, &milliwatts), Return::success);
}

TEST(StandInDefects, AReloadTakesHandlesAndCountersWithIt) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kTwo + "[[defect]]\nkind = \"reloads\"\nfrom_s = 10\nto_s = 12\n"), Return::success);
  const Device old = nvml.gpu(0);
  nvml.at(11 * kSecond);
  std::uint64_t energy = 0;
  EXPECT_EQ(nvml.call.total_energy(old, &energy), Return::uninitialized);
  EXPECT_EQ(nvml.call.init(), Return::driver_not_loaded);
  nvml.at(13 * kSecond);
  EXPECT_EQ(nvml.call.total_energy(old, &energy), Return::uninitialized);
  EXPECT_EQ(nvml.call.init(), Return::success);
  EXPECT_EQ(nvml.call.total_energy(old, &energy), Return::invalid_argument);
  ASSERT_NE(nvml.gpu(0), old);
  EXPECT_EQ(nvml.call.total_energy(nvml.gpu(0), &energy), Return::success);
  EXPECT_EQ(energy, 200'000u);
}

TEST(StandInDefects, InVirtualTimeAHangIsATimeout) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kTwo + "[[defect]]\nkind = \"hangs\"\nlength_s = 3\ngpu = 1\nfrom_s = 1\n"), Return::success);
  const Device gpu = nvml.gpu(1);
  nvml.at(kSecond);
  std::uint32_t milliwatts = 0;
  EXPECT_EQ(nvml.call.power_usage(gpu, &milliwatts), Return::timeout);
  EXPECT_EQ(nvml.call.power_usage(nvml.gpu(0), &milliwatts), Return::success);
}

TEST(StandInDefects, TheStartTakesItsTimeOrFails) {
  StandIn nvml;
  EXPECT_EQ(nvml.load("[node]\ninit_s = inf\n" + kTwo), Return::timeout);
  EXPECT_EQ(nvml.load("[node]\ninit_s = 0.5\n" + kTwo), Return::success);
  EXPECT_EQ(nvml.load("[node]\ninit_status = \"driver_not_loaded\"\n" + kTwo), Return::driver_not_loaded);
  EXPECT_EQ(nvml.load("[[gpu]]\nwat = 1\n"), Return::unknown);
}

TEST(StandInDefects, AMachineMayHaveNoGpuOrSixteen) {
  StandIn nvml;
  std::uint32_t count = 99;
  ASSERT_EQ(nvml.load("[node]\n"), Return::success);
  EXPECT_EQ(nvml.call.device_count(&count), Return::success);
  EXPECT_EQ(count, 0u);
  ASSERT_EQ(nvml.load("[[gpu]]\ncount = 16\nwatts = 100\n"), Return::success);
  EXPECT_EQ(nvml.call.device_count(&count), Return::success);
  EXPECT_EQ(count, 16u);
  std::uint32_t milliwatts = 0;
  EXPECT_EQ(nvml.call.power_usage(nvml.gpu(15), &milliwatts), Return::success);
}

TEST(StandInDefects, WhatIsMissingIsSaidToBeMissing) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kTwo + "[[defect]]\nkind = \"missing\"\ncalls = [\"nvmlDeviceGetTotalEnergyConsumption\"]\n"),
            Return::success);
  std::uint64_t energy = 0;
  EXPECT_EQ(nvml.call.total_energy(nvml.gpu(0), &energy), Return::function_not_found);
}

// For ThreadSanitizer above all.
TEST(StandInDefects, ManyThreadsMayAsk) {
  StandIn nvml;
  ASSERT_EQ(nvml.load("[[gpu]]\ncount = 4\nwatts = { mean = 200, amplitude = 50 }\n"
                      "counter = { low_below_watts = 180, low_factor = 0.5 }\n"),
            Return::success);
  nvml.at(20 * kSecond);
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (std::uint32_t gpu = 0; gpu < 4; ++gpu) {
    threads.emplace_back([&, device = nvml.gpu(gpu % 2)] {
      for (int i = 0; i < 200; ++i) {
        std::uint64_t energy = 0;
        failures += nvml.call.total_energy(device, &energy) != Return::success;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace everywatt::lab
