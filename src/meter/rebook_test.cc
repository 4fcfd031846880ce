// Windows booked anew from their series.
#include <gtest/gtest.h>

#include "meter/device_books.h"

namespace everywatt {
namespace {

using Points = std::vector<SeriesPoint>;

Accounts sum_of(const std::vector<Entry>& entries) {
  Accounts sum;
  for (const Entry& entry : entries) sum[entry.account] += entry.energy;
  return sum;
}

// Three seconds of a GPU at 300 W, 100 W and 300 W; in the second nobody worked.
DeviceSeries three_seconds(std::int64_t floor_of_quiet) {
  constexpr std::int64_t kAll = kWholeDevice;
  const auto at = [](int second) { return second * kSecond; };
  return {.device = "gpu:0",
          .cpus = 1,
          .points = {{Points{{at(0), 0}, {at(1), 300'000'000}, {at(2), 400'000'000}, {at(3), 700'000'000}},
                      Points{{at(0), 0}, {at(1), kSecond}, {at(2), kSecond}, {at(3), 2 * kSecond}},
                      Points{{at(0), 0}, {at(1), kSecond}, {at(2), kSecond}, {at(3), 2 * kSecond}},
                      Points{{at(0), kAll}, {at(1), kAll}, {at(2), kAll}, {at(3), kAll}},
                      Points{{at(0), 0}, {at(1), 0}, {at(2), 0}, {at(3), 0}},
                      Points{{at(0), kReady}, {at(1), kReady}, {at(2), floor_of_quiet}, {at(3), kReady}}}}};
}

constexpr Floors kFloors{.ready = 80.0 * watt, .resting = 40.0 * watt};

TEST(Rebook, AQuietSecondOfASharpSensorIsIdle) {
  const Accounts sum = sum_of(rebook(three_seconds(kReady), kFloors, {}));
  EXPECT_EQ(sum.idle, 100'000'000);
  EXPECT_EQ(sum.busy, 600'000'000);
}

TEST(Rebook, OfALongMeanWhatExceedsTheFloorOfThatStateIsOfTheWorkAround) {
  DeviceSeries series = three_seconds(kReady);
  series.is_blurred = true;
  EXPECT_EQ(sum_of(rebook(series, kFloors, {})).idle, 80'000'000);
  series = three_seconds(kResting);
  series.is_blurred = true;
  const Accounts sum = sum_of(rebook(series, kFloors, {}));
  EXPECT_EQ(sum.idle, 40'000'000);
  EXPECT_EQ(sum.busy, 660'000'000);
}

TEST(Rebook, WhatFollowsATimeOfUnknownWorkIsNotAllWorkSinceTheBegin) {
  DeviceSeries series = three_seconds(kReady);
  series.points[Track::worked] = {{0, 0}, {kSecond, kSecond / 2}, {2 * kSecond, -1}, {3 * kSecond, kSecond}};
  series.points[Track::ours] = {{0, 0}, {kSecond, kSecond / 2}, {2 * kSecond, kSecond / 2}, {3 * kSecond, kSecond}};
  const Accounts sum = sum_of(rebook(series, kFloors, {}));
  EXPECT_EQ(sum.idle, 80'000'000);  // half of the first and half of the third
  EXPECT_EQ(sum.measured(), 700'000'000);
}

TEST(Rebook, AFloorThatWasAgreedOnStands) {
  DeviceSeries series = three_seconds(70'000'000);
  series.is_blurred = true;
  EXPECT_EQ(sum_of(rebook(series, kFloors, {})).idle, 70'000'000);
}

}  // namespace
}  // namespace everywatt
