// From a bill to verdicts.
#include "analysis/phase_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace everywatt {
namespace {

using ::testing::HasSubstr;

constexpr const char* kGpu = "gpu:GPU-1";
constexpr Nanoseconds kLong = 60 * kSecond;

QuantityRecord told(const char* name, double mean) { return {.name = name, .mean = mean}; }

DeviceBill gpu_bill(const std::string& model = "NVIDIA H100 80GB HBM3") {
  DeviceBill gpu{.record = {.device = {.id = kGpu, .kind = DeviceKind::gpu, .model = model}, .busy_time = kSecond},
                 .energy = {.measured = 1000, .total = 1000, .other = 0}};
  gpu.record.quantities = {told("memory_bandwidth_utilisation", 0.5)};
  return gpu;
}

struct Case {
  Bill bill{.run = {.id = "r"}, .duration = kLong, .devices = {gpu_bill()}};

  void phase(const std::string& path, Nanoseconds duration) {
    bill.phases.push_back({.path = path, .count = 1, .duration = duration});
  }
  // A share over the whole of a phase; `resolved` of it.
  void share(const std::string& path, const std::string& device, const std::string& name, double share,
             Nanoseconds over, double resolved = 1) {
    const double seconds = static_cast<double>(over) / 1e9;
    bill.phase_quantities.push_back({.path = path,
                                     .device = device,
                                     .name = name,
                                     .sum = share * seconds,
                                     .observed = over,
                                     .resolved = static_cast<Nanoseconds>(resolved * static_cast<double>(over))});
  }
  void gpu(const std::string& path, Nanoseconds over, double worked, double memory, double tensor,
           double resolved = 1) {
    share(path, kGpu, kGpuWork, worked, over, resolved);
    share(path, kGpu, "sm_utilisation", worked, over, resolved);
    share(path, kGpu, "memory_bandwidth_utilisation", memory, over, resolved);
    share(path, kGpu, "tensor_utilisation", tensor, over, resolved);
  }
  [[nodiscard]] PhaseBottleneck of(const std::string& path) const {
    const auto all = phase_bottlenecks(bill);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (bill.phases[i].path == path) return all[i];
    }
    ADD_FAILURE() << path;
    return {};
  }
};

TEST(PhaseUse, EachPhaseHasItsOwnVerdict) {
  Case run;
  run.phase("", 0);
  run.phase("decode", 30 * kSecond);
  run.phase("prefill", 30 * kSecond);
  run.gpu("decode", 30 * kSecond, 1, 0.82, 0.11);
  run.gpu("prefill", 30 * kSecond, 1, 0.2, 0.8);
  EXPECT_EQ(run.of("decode").verdict.kind, Bottleneck::memory);
  EXPECT_EQ(run.of("prefill").verdict.kind, Bottleneck::compute);
  EXPECT_EQ(run.of("").verdict.kind, Bottleneck::unknown);
}

TEST(PhaseUse, BytesASecondAreTheShareOfThePeakThatTheTableHas) {
  Case run;
  run.phase("decode", kLong);
  run.gpu("decode", kLong, 1, 0.8, 0.1);
  const GpuInPhase gpu = run.of("decode").gpus.at(0);
  EXPECT_NEAR(*gpu.peak / (gigabyte / second), 3350, 10);
  EXPECT_NEAR(*gpu.bandwidth() / (gigabyte / second), 0.8 * 3350, 10);
  EXPECT_THAT(gpu.peak_source, HasSubstr("accelerators.csv"));
}

TEST(PhaseUse, AnUnknownGpusPeakIsTheDriversOrIsNotKnown) {
  Case run;
  run.bill.devices = {gpu_bill("NVIDIA Z9000")};
  run.phase("decode", kLong);
  run.gpu("decode", kLong, 1, 0.8, 0.1);
  EXPECT_FALSE(run.of("decode").gpus.at(0).peak);
  EXPECT_FALSE(run.of("decode").gpus.at(0).bandwidth());
  EXPECT_THAT(run.of("decode").gpus.at(0).peak_source, HasSubstr("Z9000"));
  EXPECT_EQ(run.of("decode").verdict.kind, Bottleneck::memory) << "the share needs no peak";
  run.bill.devices.front().record.quantities.push_back(told("memory_bandwidth_peak", 2e12));
  EXPECT_NEAR(*run.of("decode").gpus.at(0).bandwidth() / (gigabyte / second), 1600, 1);
  EXPECT_THAT(run.of("decode").gpus.at(0).peak_source, HasSubstr("driver"));
}

TEST(PhaseUse, WaitsCountOnceAndForThePhasesAroundThem) {
  Case run;
  run.phase("", 0);
  run.phase("epoch", kLong);
  run.phase("epoch/wait:data", 20 * kSecond);
  run.phase("epoch/wait:data/wait:read", 10 * kSecond);  // within the one above
  run.phase("epoch/backward", 30 * kSecond);
  run.phase("epoch/backward/wait:gradients", 15 * kSecond);
  const PhaseBottleneck epoch = run.of("epoch");
  EXPECT_NEAR(epoch.use.input_wait, 1 / 3.0, 1e-9);
  EXPECT_NEAR(epoch.use.sync_wait, 0.25, 1e-9);
  EXPECT_EQ(epoch.longest_sync, "gradients");
  EXPECT_EQ(epoch.verdict.kind, Bottleneck::input);
  EXPECT_EQ(run.of("epoch/backward").verdict.kind, Bottleneck::communication);
  EXPECT_DOUBLE_EQ(run.of("epoch/wait:data").use.input_wait, 1);
  EXPECT_NEAR(run_bottleneck(run.bill).use.input_wait, 1 / 3.0, 1e-9);
}

TEST(PhaseUse, WorkIsThatOutsideTheWaits) {
  Case run;
  run.phase("epoch", kLong);
  run.phase("epoch/wait:data", 30 * kSecond);
  run.share("epoch", kGpu, kGpuWork, 0.45, kLong);
  run.share("epoch/wait:data", kGpu, kGpuWork, 0.1, 30 * kSecond);
  const PhaseUse use = run.of("epoch").use;
  EXPECT_NEAR(*use.worked, 0.8, 1e-9);  // (27 - 3) of 30 s
  EXPECT_NEAR(*use.busy(), 0.4, 1e-9);
  EXPECT_NEAR(*use.worked_in_input_wait, 0.1, 1e-9);
}

TEST(PhaseUse, WhatIsShorterThanTheSensorsLooksIsNotKnown) {
  Case run;
  run.phase("step", kLong);
  run.gpu("step", kLong, 1, 0.82, 0.11, 0.79);
  EXPECT_EQ(run.of("step").verdict.kind, Bottleneck::unknown);
  EXPECT_THAT(run.of("step").verdict.reason, HasSubstr("shorter"));
  EXPECT_FALSE(run.of("step").use.busy());
  EXPECT_EQ(run_bottleneck(run.bill).verdict.kind, Bottleneck::memory) << "of all of the run it is known";
  Case longer;
  longer.phase("step", kLong);
  longer.gpu("step", kLong, 1, 0.82, 0.11, 0.8);
  EXPECT_EQ(longer.of("step").verdict.kind, Bottleneck::memory);
}

TEST(PhaseUse, AGpuWithoutPerformanceCountersSaysWhy) {
  Case run;
  run.bill.devices.front().record.quantities = {{.name = "memory_bandwidth_utilisation", .reason = "not supported"}};
  run.phase("epoch", kLong);
  run.share("epoch", kGpu, kGpuWork, 0.9, kLong);
  EXPECT_EQ(run.of("epoch").verdict.kind, Bottleneck::unknown);
  EXPECT_THAT(run.of("epoch").verdict.reason, HasSubstr("not supported"));
  EXPECT_NEAR(*run.of("epoch").use.busy(), 0.9, 1e-9);
}

TEST(PhaseUse, WhereAGpuIsNotMeasuredNothingIsSaidOfIdleness) {
  Case run;
  run.bill.devices.front().record.counted = true;
  run.bill.devices.front().energy = {};
  run.phase("epoch", kLong);
  run.share("epoch", "", kCpuTime, 0, kLong);
  EXPECT_EQ(run.of("epoch").verdict.kind, Bottleneck::unknown);
  EXPECT_THAT(run.of("epoch").verdict.reason, HasSubstr("not measured"));
  EXPECT_FALSE(run.of("epoch").use.idle());
}

TEST(PhaseUse, AGpuThatOthersUsedTooSaysNothingOfTheRun) {
  Case run;
  run.phase("decode", kLong);
  run.gpu("decode", kLong, 1, 0.82, 0.11);
  run.bill.devices.front().energy.other = 101;
  EXPECT_EQ(run.of("decode").verdict.kind, Bottleneck::unknown);
  run.bill.devices.front().energy.other = 100;
  EXPECT_EQ(run.of("decode").verdict.kind, Bottleneck::memory);
}

TEST(PhaseUse, AGpuThatIsKeptAndNotUsedRests) {
  Case run;
  run.bill.devices.front().record.busy_time = 0;
  run.phase("tokenise", kLong);
  run.gpu("tokenise", kLong, 0, 0, 0);
  run.share("tokenise", "", kCpuTime, 3, kLong);
  EXPECT_EQ(run.of("tokenise").verdict.kind, Bottleneck::idle);
  EXPECT_NEAR(*run.of("tokenise").cpus, 3, 1e-9);
}

TEST(PhaseUse, LoaderWorkersAreInputWorkAndNoWorkOfThePhase) {
  Case run;
  run.bill.devices.clear();
  run.phase("epoch", kLong);
  run.phase("epoch/wait:data", 24 * kSecond);
  run.share("epoch", "", kCpuTime, 2.1, kLong);       // 126 s
  run.share("epoch", "", kInputCpuTime, 1.9, kLong);  // 114 s
  run.share("epoch", "", kInputWorkers, 2, kLong);
  const PhaseBottleneck epoch = run.of("epoch");
  EXPECT_EQ(epoch.verdict.kind, Bottleneck::input);
  EXPECT_NEAR(*epoch.input_workers_busy, 0.95, 1e-9);
  EXPECT_NEAR(*epoch.input_workers, 2, 1e-9);
  EXPECT_NEAR(epoch.input_cpu_seconds, 114, 1e-9);
  EXPECT_NEAR(*epoch.use.worked, 12 / 36.0, 1e-9);
}

TEST(PhaseUse, TheProcessorsBandwidthIsTheSumOverPackagesOrMissing) {
  Case run;
  for (const char* id : {"package:0", "package:1"}) {
    DeviceBill package{.record = {.device = {.id = id, .kind = DeviceKind::package}}, .energy = {}};
    package.record.quantities = {{.name = "memory_read", .unit = "bytes", .total = 1}};
    run.bill.devices.push_back(package);
    run.share("epoch", id, "memory_read", 20e9, kLong);
  }
  run.phase("epoch", kLong);
  EXPECT_NEAR(*run.of("epoch").memory_bandwidth / (gigabyte / second), 40, 1e-6);
  Case denied;
  DeviceBill package{.record = {.device = {.id = "package:0", .kind = DeviceKind::package}}, .energy = {}};
  package.record.quantities = {{.name = "memory_traffic", .unit = "bytes", .reason = "needs CAP_PERFMON"}};
  denied.bill.devices.push_back(package);
  denied.phase("epoch", kLong);
  EXPECT_FALSE(denied.of("epoch").memory_bandwidth);
  EXPECT_THAT(denied.of("epoch").memory_reason, HasSubstr("CAP_PERFMON"));
}

}  // namespace
}  // namespace everywatt
