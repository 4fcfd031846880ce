// The rules, on both sides of each border.
#include "analysis/bottleneck.h"

#include <gtest/gtest.h>

namespace everywatt {
namespace {

// A GPU that works all the time.
PhaseUse with_gpus(double memory, double tensor, double worked = 1) {
  return {.worked = worked,
          .gpus = GpuUse{.worked = worked, .memory = memory, .tensor = tensor, .fp64 = 0, .fp32 = 0, .fp16 = 0}};
}

Bottleneck verdict(const PhaseUse& use) { return judge(use).kind; }

TEST(Bottleneck, MemoryIsTheLimitFromThreeFifthsOfWhatCanBeReachedOn) {
  EXPECT_EQ(verdict(with_gpus(0.82, 0.11)), Bottleneck::memory);
  EXPECT_EQ(verdict(with_gpus(0.481, 0.11)), Bottleneck::memory);  // 0.6 of 0.8
  EXPECT_EQ(verdict(with_gpus(0.479, 0.11)), Bottleneck::unknown);
}

TEST(Bottleneck, ArithmeticIsTheLimitFromThreeFifthsOfWhatCanBeReachedOn) {
  EXPECT_EQ(verdict(with_gpus(0.1, 0.7)), Bottleneck::compute);
  EXPECT_EQ(verdict(with_gpus(0.1, 0.559)), Bottleneck::compute);  // 0.6 of 0.93
  EXPECT_EQ(verdict(with_gpus(0.1, 0.557)), Bottleneck::unknown);
}

TEST(Bottleneck, OneOfTheTwoMustLeadByATenth) {
  // 0.6 of 0.8 is 0.75; 0.65 of 0.8 is 0.8125.
  EXPECT_EQ(verdict(with_gpus(0.6, 0.66 * 0.93)), Bottleneck::unknown);
  EXPECT_EQ(verdict(with_gpus(0.6, 0.64 * 0.93)), Bottleneck::memory);
  EXPECT_EQ(verdict(with_gpus(0.6, 0.86 * 0.93)), Bottleneck::compute);
  EXPECT_NE(judge(with_gpus(0.6, 0.66 * 0.93)).reason, "");
}

TEST(Bottleneck, TheBusiestOfAllUnitsSpeaksForArithmetic) {
  PhaseUse use = with_gpus(0.1, 0.02);
  use.gpus->fp32 = 0.8;
  EXPECT_EQ(verdict(use), Bottleneck::compute);
  EXPECT_EQ(use.gpus->busiest_units()->name, "FP32 units");
}

TEST(Bottleneck, SharesCountWhileAKernelIsThere) {
  EXPECT_EQ(verdict(with_gpus(0.35, 0.05, 0.7)), Bottleneck::memory);  // half of the peak while it works
  EXPECT_EQ(verdict(with_gpus(0.35, 0.05, 1.0)), Bottleneck::unknown);
}

TEST(Bottleneck, AFifthOfTheTimeIsMuchWaiting) {
  PhaseUse use = with_gpus(0.8, 0.1);
  use.input_wait = 0.199;
  EXPECT_EQ(verdict(use), Bottleneck::memory);
  use.input_wait = 0.2;
  EXPECT_EQ(verdict(use), Bottleneck::input);
  use.input_wait = 0;
  use.sync_wait = 0.199;
  EXPECT_EQ(verdict(use), Bottleneck::memory);
  use.sync_wait = 0.2;
  EXPECT_EQ(verdict(use), Bottleneck::communication);
}

TEST(Bottleneck, TheLongerWaitDecides) {
  PhaseUse use = with_gpus(0.8, 0.1);
  use.input_wait = 0.3;
  use.sync_wait = 0.31;
  EXPECT_EQ(verdict(use), Bottleneck::communication);
  use.input_wait = 0.32;
  EXPECT_EQ(verdict(use), Bottleneck::input);
}

TEST(Bottleneck, WaitingForDataWhileTheGpusWorkOnIsNoLoss) {
  PhaseUse use = with_gpus(0.8, 0.1);
  use.input_wait = 0.6;
  use.worked_in_input_wait = 0.51;
  EXPECT_EQ(verdict(use), Bottleneck::memory);
  use.worked_in_input_wait = 0.5;
  EXPECT_EQ(verdict(use), Bottleneck::input);
}

TEST(Bottleneck, NothingWorksForHalfOfTheTime) {
  EXPECT_EQ(verdict(with_gpus(0.4, 0.05, 0.501)), Bottleneck::memory);
  EXPECT_EQ(verdict(with_gpus(0.4, 0.05, 0.5)), Bottleneck::idle);
  PhaseUse cpu{.worked = 0.4, .gpus_reason = "no GPU"};
  EXPECT_EQ(verdict(cpu), Bottleneck::idle);
}

TEST(Bottleneck, RestOutweighsTheWaitsThatAreShorter) {
  PhaseUse use{.input_wait = 0.25, .worked = 0.2};
  EXPECT_EQ(verdict(use), Bottleneck::idle);  // 0.6 of the time
  use.input_wait = 0.45;                      // then 0.44
  EXPECT_EQ(verdict(use), Bottleneck::input);
}

TEST(Bottleneck, WhatIsNotKnownIsUnknownWithItsReason) {
  const Verdict no_sensor = judge({.worked = 0.9, .gpus_reason = "not supported"});
  EXPECT_EQ(no_sensor.kind, Bottleneck::unknown);
  EXPECT_EQ(no_sensor.reason, "not supported");
  PhaseUse part = with_gpus(0.9, 0.1);
  part.gpus->memory.reset();
  EXPECT_EQ(verdict(part), Bottleneck::unknown);
  EXPECT_EQ(verdict({.gpus_reason = "no GPU"}), Bottleneck::unknown) << "not idle: nobody knows";
  EXPECT_EQ(verdict({.input_wait = 0.5, .gpus_reason = "no GPU"}), Bottleneck::input) << "the marks say it";
}

TEST(Bottleneck, SharesSumToOne) {
  const PhaseUse use{.input_wait = 0.3, .sync_wait = 0.1, .worked = 0.75};
  EXPECT_DOUBLE_EQ(use.input_wait + use.sync_wait + *use.busy() + *use.idle(), 1);
  EXPECT_DOUBLE_EQ(*use.busy(), 0.45);
}

TEST(Bottleneck, AWaitsNameSaysWhatForItWaits) {
  for (const char* input :
       {"wait:data", "wait:next_batch", "wait:dataloader", "wait:Prefetch queue", "wait:read", "data-wait"})
    EXPECT_EQ(wait_in(input), Wait::input) << input;
  for (const char* sync : {"wait:gradients", "wait:allreduce", "wait:barrier", "wait:thread", "sync-wait", "wait:"})
    EXPECT_EQ(wait_in(sync), Wait::sync) << sync;
  for (const char* none : {"data", "epoch", "", "waiting"}) EXPECT_EQ(wait_in(none), Wait::none) << none;
}

}  // namespace
}  // namespace everywatt
