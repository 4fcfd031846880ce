#include "tests/lab/sensor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace everywatt::lab {
namespace {

constexpr Nanoseconds kSteps = 20'000;

// By the trapezoid over small steps, beside the closed form.
double summed(const Shape& shape, Nanoseconds from, Nanoseconds to) {
  double sum = 0;
  for (Nanoseconds i = 0; i < kSteps; ++i) sum += shape.at(from + (to - from) / kSteps * i + (to - from) / kSteps / 2);
  return sum / kSteps * static_cast<double>(to - from) * 1e-9;
}

std::vector<Shape> shapes() {
  return {
      Shape::constant(300),
      Shape::steps({{0, 100}, {kSecond, 400}, {3 * kSecond, 50}}),
      Shape::steps({{0, 100}, {kSecond / 3, 400}}, kSecond),
      Shape::lines({{kSecond, 100}, {2 * kSecond, 400}, {3 * kSecond, 200}}),
      Shape::square({.low = 80, .high = 400, .period = 300 * kMillisecond, .duty = 0.3, .phase = 70 * kMillisecond}),
      Shape::sine({.mean = 200, .amplitude = 90, .period = 700 * kMillisecond, .phase = 50 * kMillisecond}),
      Shape::bursts({.seed = 7, .peak = 100})};
}

TEST(Shape, IntegralIsTheSumOfItsValues) {
  for (const Shape& shape : shapes()) {
    for (const auto& [from, to] : {std::pair{-kSecond, 4 * kSecond}, std::pair{kSecond / 7, 2 * kSecond}}) {
      const double expected = summed(shape, from, to);
      EXPECT_NEAR(shape.integral(from, to), expected, 2e-3 * std::abs(expected));
    }
  }
}

TEST(Shape, IntegralsOfNeighboursAddUp) {
  Shape sum;
  for (const Shape& shape : shapes()) sum += shape;
  const Nanoseconds day = 24 * 3600 * kSecond;
  EXPECT_NEAR(sum.integral(-kSecond, 12'345'678) + sum.integral(12'345'678, day), sum.integral(-kSecond, day), 1e-5);
  EXPECT_NEAR(sum.scaled(2).integral(0, kSecond), 2 * sum.integral(0, kSecond), 1e-9);
}

TEST(Shape, FollowingIsTheDifferentialEquation) {
  const Nanoseconds tau = 120 * kMillisecond;
  for (const Shape& shape : shapes()) {
    // τ·(y(b) − y(a)) = ∫(x − y)
    const Nanoseconds from = 900 * kMillisecond;
    const Nanoseconds to = 2500 * kMillisecond;
    double followed = 0;
    for (Nanoseconds i = 0; i < kSteps; ++i) followed += shape.followed(from + (to - from) / kSteps * i, tau);
    followed *= 1.6 / kSteps;
    const double change = 0.12 * (shape.followed(to, tau) - shape.followed(from, tau));
    EXPECT_NEAR(change, shape.integral(from, to) - followed, 0.2);
  }
}

TEST(Shape, FollowingReachesAStepInFiveTimeConstants) {
  const Shape step = Shape::steps({{0, 0}, {kSecond, 100}});
  EXPECT_NEAR(step.followed(kSecond + 100 * kMillisecond, 100 * kMillisecond), 100 * (1 - std::exp(-1)), 1e-9);
  EXPECT_NEAR(step.followed(20 * kSecond, 100 * kMillisecond), 100, 1e-9);
}

TEST(Shape, LeastIsNeverUndershot) {
  for (const Shape& shape : shapes()) {
    for (Nanoseconds i = 0; i < kSteps; ++i) ASSERT_GE(shape.at(i * 200'000), shape.least());
  }
}

TEST(Shape, BurstsAreTheSameOfOneSeed) {
  const auto of = [](std::uint64_t seed) { return Shape::bursts({.seed = seed, .peak = 50}).integral(0, 3 * kSecond); };
  EXPECT_EQ(of(1), of(1));
  EXPECT_NE(of(1), of(2));
}

const PowerShape kSquare{Shape::square({.low = 100, .high = 400, .period = 100 * kMillisecond, .duty = 0.25})};

TEST(Sensor, APartTimeSensorSeesWhatFallsIntoItsWindow) {
  // 25 ms of every 100 ms, at the end of each period: there is 100 W, in truth 175 W.
  const Sensor sensor{.window = 25 * kMillisecond, .period = 100 * kMillisecond};
  EXPECT_NEAR(sensor.shows(kSquare, 1234 * kMillisecond) / watt, 100, 1e-9);
  const Sensor shifted{.window = 25 * kMillisecond, .period = 100 * kMillisecond, .phase = 25 * kMillisecond};
  EXPECT_NEAR(shifted.shows(kSquare, 1234 * kMillisecond) / watt, 400, 1e-9);
  const Sensor whole{.window = 100 * kMillisecond, .period = 100 * kMillisecond};
  EXPECT_NEAR(whole.shows(kSquare, 1234 * kMillisecond) / watt, 175, 1e-9);
}

TEST(Sensor, HoldsItsValueUntilItIsRenewed) {
  const Sensor sensor{.period = 100 * kMillisecond, .phase = 30 * kMillisecond};
  const PowerShape ramp{Shape::lines({{0, 0}, {10 * kSecond, 1000}})};
  EXPECT_EQ(sensor.renewed(1029 * kMillisecond), 930 * kMillisecond);
  EXPECT_NEAR(sensor.shows(ramp, 1029 * kMillisecond) / watt, 93, 1e-9);
  EXPECT_NEAR(sensor.shows(ramp, 1030 * kMillisecond) / watt, 103, 1e-9);
}

TEST(Sensor, ErrsByGainOffsetAndQuantum) {
  const PowerShape power{Shape::constant(200)};
  const Sensor sensor{.gain = 0.95, .offset = 3.7 * watt, .quantum = 0.5 * watt};
  EXPECT_NEAR(sensor.shows(power, kSecond) / watt, 193.5, 1e-9);
  const Sensor far_below{.offset = -300 * watt};
  EXPECT_EQ(far_below.shows(power, kSecond), Power{});
}

TEST(Sensor, StandsStillInADropout) {
  const PowerShape ramp{Shape::lines({{0, 0}, {10 * kSecond, 1000}})};
  const Sensor sensor{.period = 100 * kMillisecond, .dropouts = {{kSecond, 2 * kSecond}}};
  EXPECT_NEAR(sensor.shows(ramp, 1999 * kMillisecond) / watt, 90, 1e-9);
  EXPECT_NEAR(sensor.shows(ramp, 2000 * kMillisecond) / watt, 200, 1e-9);
}

TEST(Counter, CountsTheEnergyUpToItsLastRenewal) {
  Counter counter{{.period = 100 * kMillisecond, .start = 1000}, {Shape::constant(250)}};
  EXPECT_EQ(counter.shows(-kSecond), 1000u);
  EXPECT_EQ(counter.shows(99 * kMillisecond), 1000u);
  EXPECT_EQ(counter.shows(1050 * kMillisecond), 1000u + 250'000u);
}

TEST(Counter, GoesRoundAtItsRange) {
  Counter counter{{.period = kMillisecond, .unit = 1e-6 * joule, .start = 900, .range = 1000}, {Shape::constant(1)}};
  EXPECT_EQ(counter.shows(kMillisecond), 900u);
  EXPECT_EQ(counter.shows(2 * kMillisecond), 900u);
}

TEST(Counter, ShowsWholeStepsOfItsQuantum) {
  Counter counter{{.period = 100 * kMillisecond, .start = 900, .quantum = 1000}, {Shape::constant(25)}};
  EXPECT_EQ(counter.shows(50 * kMillisecond), 0u);
  EXPECT_EQ(counter.shows(100 * kMillisecond), 3000u);  // of 3,400
}

TEST(Counter, BeginsAnewAtEachReset) {
  Counter counter{{.start = 77'000, .resets = {kSecond, 3 * kSecond}}, {Shape::constant(100)}};
  EXPECT_EQ(counter.shows(900 * kMillisecond), 77'000u + 90'000u);
  EXPECT_EQ(counter.shows(kSecond), 0u);
  EXPECT_EQ(counter.shows(2 * kSecond), 100'000u);
  EXPECT_EQ(counter.shows(4 * kSecond), 100'000u);
}

TEST(Counter, CountsLessWhereItIsLowAtIdle) {
  const PowerShape power{Shape::steps({{0, 60}, {10 * kSecond, 300}})};
  Counter counter{{.low_below = 100 * watt, .low_factor = 0.57}, power};
  EXPECT_NEAR(static_cast<double>(counter.shows(10 * kSecond)), 0.57 * 600e3, 1);
  EXPECT_NEAR(static_cast<double>(counter.shows(12 * kSecond)), 0.57 * 600e3 + 600e3, 1);
}

TEST(Counter, InheritsAPartTimeWindow) {
  Counter counter{{.window = 25 * kMillisecond}, kSquare};
  EXPECT_NEAR(static_cast<double>(counter.shows(10 * kSecond)), 1000e3, 1);  // in truth 1750 J
}

TEST(Counter, NeverRunsBackwardsWithoutAReset) {
  for (const double low : {1.0, 0.5}) {
    Counter counter{{.period = 20 * kMillisecond, .low_below = 150 * watt, .low_factor = low}, kSquare};
    std::uint64_t last = 0;
    for (Nanoseconds time = 0; time < 5 * kSecond; time += 3'333'333) {
      const std::uint64_t now = counter.shows(time);
      ASSERT_GE(now, last);
      last = now;
    }
  }
}

// A thousand minutes, each of a power of its own: what sees all of the time loses nothing.
TEST(Law, WhatSeesAllOfTheTimeHasAllOfTheEnergy) {
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const auto length = static_cast<Nanoseconds>(50 + seed % 97) * 7 * kMillisecond;
    const PowerShape power{Shape::square({.low = 80, .high = 400, .period = length, .duty = 0.37}) +
                           Shape::sine({.mean = 20, .amplitude = 20, .period = 3 * length}) +
                           Shape::bursts({.seed = seed, .peak = 90})};
    const Sensor sensor{.window = 100 * kMillisecond, .period = 100 * kMillisecond};
    Counter counter{{.period = 100 * kMillisecond}, power};
    Counter by_period{{.period = 100 * kMillisecond, .low_below = 1 * watt, .low_factor = 0.5}, power};
    Energy summed = {};
    for (Nanoseconds time = 100 * kMillisecond; time <= 60 * kSecond; time += 100 * kMillisecond) {
      summed += sensor.shows(power, time + 5 * kMillisecond) * (0.1 * second);
      ASSERT_GE(counter.shows(time + kMillisecond), counter.shows(time));
    }
    const double truth = power.energy(0, 60 * kSecond) / joule;
    EXPECT_NEAR(summed / joule, truth, 1e-6);
    EXPECT_NEAR(static_cast<double>(counter.shows(60 * kSecond)) * 1e-3, truth, 2e-3);
    EXPECT_NEAR(static_cast<double>(by_period.shows(60 * kSecond)) * 1e-3, truth, 2e-3);
  }
}

}  // namespace
}  // namespace everywatt::lab
