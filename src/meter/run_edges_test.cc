// What a run is told of its first and its last moments by a counter that is renewed ten times a second.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "meter/channel_meter.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kPeriod = 100 * kMillisecond;
constexpr Nanoseconds kTick = 100 * kMillisecond;  // of the loop that reads it
constexpr double kWatts = 300;

// Renewed `phase` after each period, with what was drawn by then.
struct Register {
  Nanoseconds phase = 0;
  Nanoseconds period = kPeriod;
  [[nodiscard]] std::uint64_t at(Nanoseconds time) const {
    const Nanoseconds renewed = time - (time + period - phase % period) % period;
    return static_cast<std::uint64_t>(kWatts * static_cast<double>(renewed) * 1e-6);  // mJ
  }
};

struct Reader {
  Register counter;
  Nanoseconds takes = 0;  // a call; the register is looked at somewhere in it
  Nanoseconds documented = kPeriod;
  std::mt19937_64 chance{1};
  ChannelMeter meter{{.kind = ChannelKind::energy, .method = Method::counter, .scale = {1000, 1}, .period = documented},
                     kTick};

  void read(Nanoseconds time) {
    const Nanoseconds within = takes > 0 ? std::uniform_int_distribution<Nanoseconds>{0, takes}(chance) : 0;
    meter.take({time, time + takes}, counter.at(time + within));
  }
  void hunt(Nanoseconds from) {
    for (int i = 0; i < 22; ++i) read(from + i * (takes + 5 * kMillisecond));
  }
  void settle(Nanoseconds start) {
    meter.settle();
    if (meter.curve().points().front().time > start) meter.reach_back(start);
  }
  // Joules of a run from `start` to `end` that is read soon after each tenth of a second, from `first` on.
  double measure(Nanoseconds start, Nanoseconds first, Nanoseconds end) {
    auto late = std::uniform_int_distribution<Nanoseconds>{0, kMillisecond};
    Nanoseconds time = first;
    for (const Nanoseconds until : {first + kSecond / 2, first + 3 * kSecond / 2, end}) {
      hunt(time);
      for (time = (time / kTick + 4) * kTick; time < std::min(until, end); time += kTick) read(time + late(chance));
      if (until == first + 3 * kSecond / 2) settle(start);
    }
    read(end + late(chance));
    meter.finish(end);
    return static_cast<double>(meter.curve().between(start, end)) / 1e6;
  }
};

TEST(RunEdges, ACounterThatIsReadJustWhenItIsRenewedIsNotTakenForTwice) {
  for (Nanoseconds phase = 0; phase < kPeriod; phase += kMillisecond / 2) {
    Reader reader{.counter = {phase}};
    const double joules = reader.measure(10 * kSecond, 10 * kSecond, 14 * kSecond + 33 * kMillisecond);
    EXPECT_NEAR(joules, kWatts * 4.033, 6) << phase;
  }
}

TEST(RunEdges, WhatALateFirstReadingDidNotSeeIsLikeWhatFollowed) {
  for (Nanoseconds phase = 0; phase < kPeriod; phase += 3 * kMillisecond) {
    Reader reader{.counter = {phase}};
    const double joules = reader.measure(10 * kSecond, 10 * kSecond + 150 * kMillisecond, 14 * kSecond);
    EXPECT_NEAR(joules, kWatts * 4, 6) << phase;
    EXPECT_EQ(reader.meter.curve().observed(10 * kSecond, 14 * kSecond), 4 * kSecond);
    EXPECT_GT(reader.meter.random_uncertainty() / 1e6, 0.2 * kWatts * 0.05);
  }
}

TEST(RunEdges, CallsThatTakeTheirTimeAreNotTrustedToTheMillisecond) {
  for (Nanoseconds phase = 0; phase < kPeriod; phase += kMillisecond) {
    Reader reader{.counter = {phase}, .takes = 4 * kMillisecond};
    const double joules = reader.measure(10 * kSecond, 10 * kSecond, 14 * kSecond);
    EXPECT_NEAR(joules, kWatts * 4, 0.03 * kWatts) << phase;
    const auto& points = reader.meter.curve().points();
    for (std::size_t i = 1; i < points.size(); ++i) {
      const double watts = static_cast<double>(points[i].total - points[i - 1].total) * 1e3 /
                           static_cast<double>(points[i].time - points[i - 1].time);
      EXPECT_NEAR(watts, kWatts, 0.3 * kWatts) << phase << ", point " << i << " of " << points.size();
    }
  }
}

TEST(RunEdges, ACounterThatIsRenewedSeldomerOrMoreOftenThanIsDocumentedIsSeenTo) {
  for (const auto& [documented, period] : {std::pair{20, 100}, {100, 20}, {20, 200}, {100, 10}, {20, 50}, {100, 200}}) {
    for (Nanoseconds phase = 0; phase < period * kMillisecond; phase += period * kMillisecond / 20) {
      for (const Nanoseconds late : {0, 40, 150}) {
        Reader reader{.counter = {phase, period * kMillisecond}, .documented = documented * kMillisecond};
        const Nanoseconds begin = 10 * kSecond, end = 14 * kSecond + 33 * kMillisecond;
        const double joules = reader.measure(begin, begin + late * kMillisecond, end);
        EXPECT_NEAR(joules, kWatts * 4.033,
                    0.01 * kWatts * 4.033 + kWatts * 1e-3 * (period > 100 ? period : period / 4))
            << period << " ms for " << documented << ", " << late << ", phase " << phase;
      }
    }
  }
}

TEST(RunEdges, ACounterOfWhichFewReadingsAreKnownIsNotSteepAtItsStart) {
  for (Nanoseconds phase = 0; phase < kPeriod; phase += 5 * kMillisecond) {
    Reader reader{.counter = {phase}, .documented = 20 * kMillisecond};
    const Nanoseconds begin = 10 * kSecond, first = begin + 150 * kMillisecond;
    for (int i = 0; i < 4; ++i) reader.read(first + i * 5 * kMillisecond);
    for (Nanoseconds time = first + 50 * kMillisecond; time < begin + 4 * kSecond; time += kTick) {
      reader.read(time);
      if (time < begin + kSecond) continue;
      if (time < begin + kSecond + kTick) reader.settle(begin);
    }
    reader.read(begin + 4 * kSecond);
    reader.meter.finish(begin + 4 * kSecond);
    const double joules = static_cast<double>(reader.meter.curve().between(begin, begin + 4 * kSecond)) / 1e6;
    EXPECT_NEAR(joules, kWatts * 4, 0.01 * kWatts * 4 + kWatts * 0.1) << phase;
    EXPECT_GT(2 * reader.meter.random_uncertainty() / 1e6, std::abs(joules - kWatts * 4) - 0.01 * kWatts * 4);
  }
}

TEST(RunEdges, ACallThatHangsInsideARunHidesNothingOfItsTotal) {
  Reader reader{.counter = {33 * kMillisecond}};
  const Nanoseconds begin = 10 * kSecond, end = 18 * kSecond;
  reader.hunt(begin);
  for (Nanoseconds time = begin + 2 * kTick; time < end; time += kTick) {
    if (time == begin + kSecond) reader.settle(begin);
    reader.takes = time == begin + 3 * kSecond ? 3 * kSecond : 0;
    reader.read(time);
    time += reader.takes;
  }
  reader.meter.finish(end);
  EXPECT_NEAR(static_cast<double>(reader.meter.curve().between(begin, end)) / 1e6, kWatts * 8, 0.005 * kWatts * 8);
  EXPECT_LT(reader.meter.random_uncertainty() / 1e6, 0.01 * kWatts * 8);
}

TEST(RunEdges, ACallThatHangsAtTheEndOfARunDoesHideItsLastJoules) {
  Reader reader{.counter = {33 * kMillisecond}};
  for (Nanoseconds time = 10 * kSecond; time < 14 * kSecond; time += kTick) reader.read(time);
  reader.takes = 2 * kSecond;
  reader.read(14 * kSecond);
  EXPECT_GT(reader.meter.random_uncertainty() / 1e6, 0.2 * kWatts);
}

}  // namespace
}  // namespace everywatt
