// Where a window of a GPU's ends between two readings, in virtual time.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "meter/meter.h"

namespace everywatt {
namespace {

constexpr char kGpu[] = "gpu:GPU-1";
constexpr Nanoseconds kTick = kSecond / 10;

// A GPU that draws 100 W and, for the first three of every five seconds, 300 W. Its sensor is read in the middle
// between two tenths of a second, while its work is told with the tenths and windows end with the seconds.
class Booked {
 public:
  explicit Booked(Channel sensor) {
    sensor.device = kGpu;
    sensor.sensor = "sensor";
    Inventory inventory{.devices = {{.id = kGpu, .kind = DeviceKind::gpu, .index = 0}},
                        .channels = {sensor,
                                     {.device = kGpu, .kind = ChannelKind::utilisation},
                                     {.device = kGpu, .kind = ChannelKind::context}}};
    const Inventory* all[] = {&inventory};
    MeterOptions options{.run = "us"};
    options.floors[kGpu] = {.power = 100.0 * watt, .method = FloorMethod::envelope, .windows = 9};
    Meter meter{all, std::move(options)};
    meter.set_owner_of([](std::int64_t) { return Owner::run; });
    const auto read = [&](Nanoseconds time) {
      // A mean is renewed with the tenths.
      const Nanoseconds shown = time - kTick / 2;
      const double raw = sensor.kind == ChannelKind::energy
                             ? joules_by(time) * 1e6
                             : (joules_by(shown) - joules_by(shown - kTick)) * 1e6 * kSecond / kTick;
      meter.take(0, {time, time},
                 std::vector<Reading>{{.channel = 0, .raw = static_cast<std::uint64_t>(std::llround(raw))}});
    };
    const auto tell = [&](Nanoseconds time) {
      const std::uint64_t share = worked_by(time) > worked_by(time - kTick) ? 1'000'000 : 0;
      meter.take(0, {time, time},
                 std::vector<Reading>{{.channel = 1, .raw = share},
                                      {.channel = 1, .raw = share, .pid = 1},
                                      {.channel = 2, .raw = 1, .pid = 1}});
    };
    const Nanoseconds begin = 101 * kSecond;
    read(begin - kTick / 2);
    tell(begin);
    meter.begin({begin, begin});
    for (Nanoseconds time = begin + kTick / 2; time < 120 * kSecond; time += kTick) {
      read(time);
      const Nanoseconds edge = time + kTick / 2;
      tell(edge);
      if (edge % kSecond == 0) keep(meter.close_window({.until = {edge, edge}, .tenants = tenants_}));
    }
    series.device = kGpu;
    series.cpus = 1;
  }

  Accounts accounts;
  DeviceSeries series;

 private:
  static Nanoseconds worked_by(Nanoseconds time) {
    return time / (5 * kSecond) * 3 * kSecond + std::min(time % (5 * kSecond), 3 * kSecond);
  }
  static double joules_by(Nanoseconds time) {
    return static_cast<double>(time) * 1e-9 * 100 + static_cast<double>(worked_by(time)) * 1e-9 * 200;
  }
  void keep(const RunDelta& delta) {
    for (const Entry& entry : delta.entries) accounts[entry.account] += entry.energy;
    for (const RunDelta::Series& more : delta.series) append(more.points, series.points);
  }
  std::vector<Tenant> tenants_{{.run = "us", .from = 0}};
};

// All windows but the last, which waits for its end: eleven seconds at work and seven in pauses.
void expect_true(const Booked& booked) {
  EXPECT_EQ(booked.series.points[Track::worked].back().time, 119 * kSecond);
  EXPECT_NEAR(static_cast<double>(booked.accounts.idle) / 1e6, 7 * 100, 0.1) << "no work in what was drawn in pauses";
  EXPECT_NEAR(static_cast<double>(booked.accounts.busy) / 1e6, 11 * 300, 0.1);
}

TEST(WindowEdge, DividesAStepOfACounterAsWorkWas) { expect_true(Booked{{.kind = ChannelKind::energy}}); }

TEST(WindowEdge, DividesAMeanOfATenthOfASecondAsWorkWas) {
  expect_true(Booked{{.kind = ChannelKind::power, .method = Method::integrated, .period = kTick, .window = kTick}});
}

TEST(WindowEdge, IsInTheSeriesSoThatTheSameIsBookedFromIt) {
  const Booked booked{{.kind = ChannelKind::energy}};
  Accounts anew;
  for (const Entry& entry : rebook(booked.series, {.ready = 100.0 * watt, .resting = 100.0 * watt}, {101 * kSecond, 0}))
    anew[entry.account] += entry.energy;
  EXPECT_EQ(anew, booked.accounts);
  const auto& energy = booked.series.points[Track::energy];
  for (std::size_t i = 1; i < energy.size(); ++i) ASSERT_LT(energy[i - 1].time, energy[i].time);
}

}  // namespace
}  // namespace everywatt
