// What a run is told of its first and its last moments by a counter that is renewed ten times a second.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "meter/channel_meter.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kPeriod = 100 * kMillisecond;
constexpr double kWatts = 300;

// Renewed `phase` after each tenth of a second, with what was drawn by then.
struct Register {
  Nanoseconds phase = 0;
  [[nodiscard]] std::uint64_t at(Nanoseconds time) const {
    const Nanoseconds renewed = time - (time + kPeriod - phase) % kPeriod;
    return static_cast<std::uint64_t>(kWatts * static_cast<double>(renewed) * 1e-6);  // mJ
  }
};

struct Reader {
  Register counter;
  Nanoseconds takes = 0;  // a call; the register is looked at somewhere in it
  std::mt19937_64 chance{1};
  ChannelMeter meter{{.kind = ChannelKind::energy, .method = Method::counter, .scale = {1000, 1}, .period = kPeriod},
                     kPeriod};

  void read(Nanoseconds time) {
    const Nanoseconds within = takes > 0 ? std::uniform_int_distribution<Nanoseconds>{0, takes}(chance) : 0;
    meter.take({time, time + takes}, counter.at(time + within));
  }
  void hunt(Nanoseconds from) {
    for (int i = 0; i < 22; ++i) read(from + i * (takes + 5 * kMillisecond));
  }
  // Joules of a run from `start` to `end` that is read soon after each tenth of a second, from `first` on.
  double measure(Nanoseconds start, Nanoseconds first, Nanoseconds end) {
    auto late = std::uniform_int_distribution<Nanoseconds>{0, kMillisecond};
    Nanoseconds time = first;
    for (const Nanoseconds until : {first + kSecond / 2, first + 3 * kSecond / 2, end}) {
      hunt(time);
      for (time = (time / kPeriod + 4) * kPeriod; time < std::min(until, end); time += kPeriod)
        read(time + late(chance));
    }
    read(end + late(chance));
    if (meter.curve().points().front().time > start) meter.reach_back(start);
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

}  // namespace
}  // namespace everywatt
