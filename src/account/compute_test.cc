#include "account/compute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "account/bill.h"

namespace everywatt {
namespace {

using ::testing::HasSubstr;

DeviceRecord gpu(std::string model, Nanoseconds reserved, int number = 0) {
  return {.device = {.id = "gpu:GPU-" + std::to_string(number), .kind = DeviceKind::gpu, .model = std::move(model)},
          .method = Method::counter,
          .measured = 1'000'000'000,
          .observed = 10 * kSecond,
          .reserved_time = reserved};
}

// Ten seconds, in which each device drew a kilojoule for the run.
RunRecord run_on(std::vector<DeviceRecord> devices, std::map<std::string, double> work) {
  RunRecord record{.run = {.id = "a"}, .devices = std::move(devices)};
  record.run.work = std::move(work);
  record.run.started = {.steady = 100 * kSecond, .wall = 0};
  record.run.ended = {{.steady = 110 * kSecond, .wall = 10 * kSecond}};
  for (const DeviceRecord& device : record.devices)
    record.entries.push_back({.device = device.device.id, .account = Account::busy, .energy = 1'000'000'000});
  return record;
}

const std::string kH100 = "NVIDIA H100 80GB HBM3";

TEST(Compute, MfuIsWhatWasDoneOfWhatTheDevicesCouldDo) {
  const Bill bill =
      bill_of(run_on({gpu(kH100, 10 * kSecond, 0), gpu(kH100, 10 * kSecond, 1)}, {{"flops_bf16", 989e13}}));
  EXPECT_DOUBLE_EQ(bill.compute.mfu.value(), 0.5);
  EXPECT_DOUBLE_EQ(*bill.compute.work_per_energy * joule / flop, 989e13 / 2000);
  ASSERT_EQ(bill.peaks.size(), 2u);
  EXPECT_EQ(bill.peaks[1].accelerator, "H100 SXM5");
  EXPECT_EQ(bill.peaks[1].peak->provenance.confidence, "high");
}

TEST(Compute, RecomputationCountsForHardwareAlone) {
  const Bill bill =
      bill_of(run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 3 * 989e12}, {"recomputed_flops_bf16", 989e12}}));
  EXPECT_DOUBLE_EQ(bill.compute.mfu.value(), 0.3);
  EXPECT_DOUBLE_EQ(bill.compute.hfu.value(), 0.4);
  EXPECT_DOUBLE_EQ(*bill.compute.hardware / flop, 4 * 989e12);
  EXPECT_DOUBLE_EQ(*bill.compute.work_per_energy * joule / flop, 3 * 989e12 / 1000);
}

TEST(Compute, WhoDoesNotSayWhatWasComputedAgainHasNoHardwareFlops) {
  const Bill silent = bill_of(run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 1e12}}));
  EXPECT_TRUE(silent.compute.mfu);
  EXPECT_FALSE(silent.compute.hardware);
  EXPECT_FALSE(silent.compute.hfu);
  EXPECT_THAT(silent.compute.hfu_reason.value(), HasSubstr("everywatt_recomputed_flops"));
  const Bill none = bill_of(run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 1e12}, {"recomputed_flops_bf16", 0}}));
  EXPECT_EQ(none.compute.hfu, none.compute.mfu);
}

TEST(Compute, EachPrecisionAndEachDeviceHasAPeakOfItsOwn) {
  const Bill mixed = bill_of(run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 989e12}, {"flops_fp32", 67e12}}));
  EXPECT_DOUBLE_EQ(mixed.compute.mfu.value(), 0.2);
  const Bill uneven = bill_of(
      run_on({gpu(kH100, 10 * kSecond, 0), gpu("NVIDIA A100-SXM4-80GB", 10 * kSecond, 1)}, {{"flops_bf16", 1301e12}}));
  EXPECT_DOUBLE_EQ(uneven.compute.mfu.value(), 0.1);
}

// data/README.md: accumulated in 32 bits; of an MI250X, which is two devices, one; matrix units where there are some.
TEST(Compute, ThePeakIsThatOfTraining) {
  const auto peak = [](std::string model, const std::string& what) {
    const Bill bill = bill_of(run_on({gpu(std::move(model), 10 * kSecond)}, {{what, 1e13}}));
    return bill.peaks.at(0).peak.value().rate * second / flop / 1e12;
  };
  EXPECT_DOUBLE_EQ(peak("NVIDIA GeForce RTX 4090", "flops_fp16"), 165.2);
  EXPECT_DOUBLE_EQ(peak("NVIDIA GeForce RTX 4090", "flops_bf16"), 165.2);
  EXPECT_DOUBLE_EQ(peak("AMD Instinct MI250X", "flops_bf16"), 191.5);
  EXPECT_DOUBLE_EQ(peak("AMD Instinct MI250X", "flops_fp32"), 47.85);
  EXPECT_DOUBLE_EQ(peak("NVIDIA A100-SXM4-80GB", "flops_fp64"), 19.5);
  EXPECT_DOUBLE_EQ(peak("NVIDIA A100-SXM4-80GB", "flops_fp32"), 19.5);
}

TEST(Compute, MoreThanThePeakIsSaid) {
  const Bill bill = bill_of(run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 3 * 9890e12}}));
  EXPECT_DOUBLE_EQ(bill.compute.mfu.value(), 3);
}

TEST(Compute, ADeviceCountsForTheTimeForWhichItWasHad) {
  const Bill half = bill_of(run_on({gpu(kH100, 5 * kSecond)}, {{"flops_bf16", 989e12}}));
  EXPECT_DOUBLE_EQ(half.compute.mfu.value(), 0.2);
  DeviceRecord unreserved = gpu(kH100, 0, 0), unused = gpu(kH100, 0, 1);
  unreserved.busy_time = 2 * kSecond;
  const Bill bill = bill_of(run_on({unreserved, unused}, {{"flops_bf16", 989e12}}));
  EXPECT_DOUBLE_EQ(bill.compute.mfu.value(), 0.5);
  EXPECT_EQ(bill.peaks.size(), 1u);
}

TEST(Compute, WhatIsNotKnownHasAReason) {
  const auto reason = [](DeviceRecord device, std::map<std::string, double> work) {
    const Bill bill = bill_of(run_on({std::move(device)}, std::move(work)));
    EXPECT_FALSE(bill.compute.mfu);
    return bill.compute.mfu_reason.value_or("");
  };
  EXPECT_THAT(reason(gpu("NVIDIA H800", 10 * kSecond), {{"flops_bf16", 1}}), HasSubstr("no accelerator 'NVIDIA H800'"));
  EXPECT_THAT(reason(gpu("Tesla V100-SXM2-16GB", 10 * kSecond), {{"flops_bf16", 1}}), HasSubstr("no units"));
  EXPECT_THAT(reason(gpu("Tesla V100-SXM2-16GB", 10 * kSecond), {{"flops_int8", 1}}), HasSubstr("is not known"));
  EXPECT_THAT(reason(gpu(kH100, 10 * kSecond), {{"tokens", 1}}), HasSubstr("no floating-point operations"));
  DeviceRecord cut = gpu(kH100, 5 * kSecond);
  cut.flags = {"mig"};
  EXPECT_THAT(reason(cut, {{"flops_bf16", 1}}), HasSubstr("MIG"));
}

TEST(Compute, WithoutAnAcceleratorThereIsWorkPerJouleAndNoMfu) {
  DeviceRecord package = gpu("Intel(R) Xeon(R)", 10 * kSecond);
  package.device = {.id = "package:0", .kind = DeviceKind::package};
  const Bill bill = bill_of(run_on({package}, {{"flops_fp32", 5e12}}));
  EXPECT_FALSE(bill.compute.mfu);
  EXPECT_THAT(bill.compute.mfu_reason.value(), HasSubstr("no accelerator"));
  EXPECT_DOUBLE_EQ(*bill.compute.work_per_energy * joule / flop, 5e9);
}

Span span(std::string path, std::uint32_t process, Nanoseconds begin, Nanoseconds end) {
  return {.number = static_cast<std::uint64_t>(begin + process),
          .path = std::move(path),
          .process = process,
          .begin = begin,
          .end = end};
}

const PhaseBill& phase(const Bill& bill, std::string_view path) {
  return *std::ranges::find(bill.phases, path, [](const PhaseBill& p) -> std::string_view { return p.path; });
}

TEST(Compute, APhaseHasThoseWithinItAndItsOwnTime) {
  RunRecord record = run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 6 * 989e12}, {"steps", 4}});
  record.phases = {{.path = "epoch", .count = 1, .duration = 8 * kSecond, .work = {{"flops_bf16", 989e12}}},
                   {.path = "epoch/forward", .count = 1, .duration = 4 * kSecond, .work = {{"flops_bf16", 3 * 989e12}}},
                   {.path = "load", .count = 1, .duration = kSecond}};
  record.entries[0].phase = "epoch";
  const Bill bill = bill_of(record);
  EXPECT_DOUBLE_EQ(phase(bill, "epoch").compute->mfu.value(), 0.5);
  EXPECT_DOUBLE_EQ(phase(bill, "epoch/forward").compute->mfu.value(), 0.75);
  EXPECT_DOUBLE_EQ(*phase(bill, "epoch").compute->work_per_energy * joule / flop, 4 * 989e12 / 1000);
  EXPECT_THAT(phase(bill, "epoch/forward").compute->energy_reason.value(), HasSubstr("no energy"));
  EXPECT_FALSE(phase(bill, "load").compute);
  const PhaseBill& outside = phase(bill, "");
  EXPECT_DOUBLE_EQ(outside.work.at("flops_bf16"), 2 * 989e12);
  EXPECT_FALSE(outside.work.contains("steps"));
  EXPECT_FALSE(outside.compute->mfu);
  EXPECT_THAT(outside.compute->mfu_reason.value(), HasSubstr("outside any phase"));
}

TEST(Compute, OfAPhaseThatRanksEnterTogetherTheTimeIsTheirsTogether) {
  RunRecord record = run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 989e12}});
  record.phases = {{.path = "epoch", .count = 4, .duration = 8 * kSecond, .work = {{"flops_bf16", 989e12}}}};
  record.spans = {span("epoch", 0, 0, 2 * kSecond), span("epoch", 1, 0, 2 * kSecond),
                  span("epoch", 0, 2 * kSecond, 4 * kSecond), span("epoch", 1, 2 * kSecond, 4 * kSecond)};
  EXPECT_DOUBLE_EQ(phase(bill_of(record), "epoch").compute->mfu.value(), 0.25);
  // One process after the other is another thing.
  record.spans[1] = span("epoch", 1, 4 * kSecond, 6 * kSecond);
  record.spans[3] = span("epoch", 1, 6 * kSecond, 8 * kSecond);
  EXPECT_DOUBLE_EQ(phase(bill_of(record), "epoch").compute->mfu.value(), 0.125);
  // Not ended yet.
  record.spans.clear();
  record.ranks = {{.rank = 0, .steps = 1}, {.rank = 1, .steps = 1}};
  EXPECT_THAT(phase(bill_of(record), "epoch").compute->mfu_reason.value(), HasSubstr("not known yet"));
}

TEST(Compute, WithoutPhasesTimeOutsideThemIsTheRun) {
  const Bill bill = bill_of(run_on({gpu(kH100, 10 * kSecond)}, {{"flops_bf16", 989e12}}));
  EXPECT_EQ(phase(bill, "").compute->mfu, bill.compute.mfu);
}

}  // namespace
}  // namespace everywatt
