#include "account/work_statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace everywatt {
namespace {

using testing::HasSubstr;

TransformerShape small() {
  return {.family = "llama",
          .layers = 2,
          .width = 64,
          .inner = 256,
          .attention = {.heads = 4, .key_value_heads = 4, .key_size = 16, .value_size = 16},
          .vocabulary = 1000,
          .embedding_width = 64,
          .longest = 512};
}

WorkStatement state(const WorkQuestion& question) {
  const auto statement = state_work(question);
  EXPECT_TRUE(statement) << statement.error().what;
  return statement.value_or(WorkStatement{});
}

DeviceQuestion h100(double seconds) {
  return {.name = "NVIDIA H100 80GB HBM3", .precision = PeakPrecision::bf16, .devices = 8, .time = seconds * second};
}

TEST(WorkStatement, TakesTheContextThatTheModelHasWhereNoneIsGiven) {
  EXPECT_EQ(state({.shape = small()}).model->context, 512);
  EXPECT_EQ(state({.shape = small(), .context = 128}).model->context, 128);
  EXPECT_THAT(state({.shape = small(), .context = 1024}).model->notes, testing::Contains(HasSubstr("longer")));
}

TEST(WorkStatement, CountsSequencesByTheirTokens) {
  EXPECT_EQ(state({.shape = small(), .context = 128, .sequences = 10}).run->tokens, 1280);
  EXPECT_FALSE(state({.shape = small()}).run);
}

TEST(WorkStatement, HasTheEstimateBesideWhatWasCounted) {
  const auto run = state({.shape = small(), .tokens = 1e6}).run;
  const double total = count_parameters(architecture_of(small())).total;
  EXPECT_DOUBLE_EQ(*run->six_nd / flop, 6 * total * 1e6);
  EXPECT_EQ(run->convention, "full");
  EXPECT_NE(*run->six_nd, run->model);
  const Lora adapters{.rank = 4, .targets = {"q"}};
  EXPECT_FALSE(state({.shape = small(), .tokens = 1e6, .lora = adapters}).run->six_nd);
}

TEST(WorkStatement, OfParametersAloneIsTheEstimate) {
  const auto run = state({.parameters = 3.8e9, .tokens = 3.3e12, .recompute = Recompute::full}).run;
  EXPECT_DOUBLE_EQ(run->model / flop, 6 * 3.8e9 * 3.3e12);
  EXPECT_DOUBLE_EQ(run->hardware / flop, 8 * 3.8e9 * 3.3e12);
  EXPECT_EQ(run->convention, "6ND");
}

TEST(WorkStatement, RatesARunByTheDevicesPeak) {
  const auto statement = state({.shape = small(), .tokens = 1e12, .recompute = Recompute::full, .device = h100(3600)});
  const double capacity = 8 * 3600 * 989e12;
  EXPECT_DOUBLE_EQ(*statement.device->mfu, statement.run->model / flop / capacity);
  EXPECT_DOUBLE_EQ(*statement.device->hfu, *statement.device->mfu * 4 / 3);
  EXPECT_FALSE(statement.device->work_per_energy);
  EXPECT_TRUE(statement.device->energy_reason);
}

TEST(WorkStatement, DoesNotCutOffWhatIsAboveThePeak) {
  EXPECT_GT(*state({.shape = small(), .tokens = 1e12, .device = h100(0.001)}).device->mfu, 1);
}

TEST(WorkStatement, HasAReasonWhereItHasNoRate) {
  const auto reason = [](DeviceQuestion question) {
    const auto device = state({.shape = small(), .tokens = 1e12, .device = std::move(question)}).device;
    EXPECT_FALSE(device->mfu || device->hfu);
    return device->reason.value_or("");
  };
  EXPECT_THAT(reason({.name = "NVIDIA H1000", .precision = PeakPrecision::bf16, .time = second}), HasSubstr("H1000"));
  EXPECT_THAT(reason({.name = "Tesla T4", .precision = PeakPrecision::bf16, .time = second}), HasSubstr("no units"));
  EXPECT_THAT(reason({.name = "Tesla T4", .time = second}), HasSubstr("--precision"));
  EXPECT_THAT(reason({.precision = PeakPrecision::bf16, .time = second}), HasSubstr("--device"));
  EXPECT_THAT(reason({.name = "Tesla T4", .precision = PeakPrecision::fp16}), HasSubstr("--seconds"));
  EXPECT_THAT(state({.shape = small(), .device = h100(1)}).device->reason.value_or(""), HasSubstr("--tokens"));
}

TEST(WorkStatement, TellsTheWorkOfAJoule) {
  const auto statement = state({.shape = small(), .tokens = 1e9, .device = DeviceQuestion{.energy = 500 * joule}});
  EXPECT_DOUBLE_EQ(*statement.device->work_per_energy * joule / flop, statement.run->model / flop / 500);
}

TEST(WorkStatement, TakesTheDevicesPeakForHardwareBasedWorkWhereNoneIsGiven) {
  const HardwareQuestion hours{.device_time = 3600 * second, .utilisation = 0.5};
  EXPECT_DOUBLE_EQ(*state({.hardware = hours, .device = h100(1)}).hardware->work / flop, 3600 * 989e12 / 2);
  const auto unknown = state({.hardware = hours, .device = DeviceQuestion{.name = "abacus"}}).hardware;
  EXPECT_FALSE(unknown->work);
  EXPECT_THAT(unknown->reason.value_or(""), HasSubstr("abacus"));
}

TEST(WorkStatement, RefusesCausalityWhereThereIsNone) {
  TransformerShape encoder = small();
  encoder.kind = ModelKind::encoder;
  const auto statement = state_work({.shape = encoder, .attention = AttentionCount::causal});
  ASSERT_FALSE(statement);
  EXPECT_EQ(statement.error().code, Errc::misuse);
}

}  // namespace
}  // namespace everywatt
