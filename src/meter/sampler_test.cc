// When sources are read.
#include "meter/sampler.h"

#include <gtest/gtest.h>

#include <array>

namespace everywatt {
namespace {

// Tells nothing of energy; what it was asked so far is what it says.
class Traffic final : public Source {
 public:
  Traffic() {
    inventory_.quantities = {
        {.device = "package:0", .kind = QuantityKind::tally, .name = "memory_read", .unit = "bytes", .by_phase = true}};
  }
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override {
    out.push_back({.channel = 0, .raw = ++asked});
    return {};
  }
  static inline std::uint64_t asked = 0;

 private:
  Inventory inventory_;
};

Result<std::unique_ptr<Source>> open_traffic(const Roots&) { return std::make_unique<Traffic>(); }

TEST(Sampler, WhatTellsQuantitiesAloneIsReadOnceASecondAndAtTheEnd) {
  constexpr std::array kKinds = {SourceKind{"traffic", "bytes", open_traffic, nullptr}};
  Traffic::asked = 0;
  FakeClock clock;
  Sampler sampler{kKinds, {}};
  const auto inventories = sampler.inventories();
  Meter meter{inventories, {.run = "r"}};
  sampler.sample_edge(clock, meter);
  EXPECT_EQ(Traffic::asked, 1u);
  for (int tick = 1; tick <= 25; ++tick) {
    clock.advance(kSecond / 10);
    sampler.sample_edge(clock, meter);
  }
  EXPECT_EQ(Traffic::asked, 3u);
  clock.advance(kSecond / 10);
  sampler.sample_edge(clock, meter, kMillisecond);
  EXPECT_EQ(Traffic::asked, 4u);
  EXPECT_EQ(sampler.pace(), Sampler::Pace::edges) << "it wakes nobody";
}

// A package with one sensor.
template <ChannelKind kind>
class Sensor final : public Source {
 public:
  Sensor() {
    inventory_.devices = {{.id = "package:0", .kind = DeviceKind::package}};
    inventory_.channels = {{.device = "package:0",
                            .kind = kind,
                            .method = kind == ChannelKind::energy ? Method::counter : Method::integrated,
                            .sensor = "sensor",
                            .period = kMillisecond}};
  }
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override {
    out.push_back({.channel = 0, .raw = ++readings * 1'000'000});
    return {};
  }
  static inline std::uint64_t readings = 0;

 private:
  Inventory inventory_;
};

template <ChannelKind kind>
Result<std::unique_ptr<Source>> open_sensor(const Roots&) {
  return std::make_unique<Sensor<kind>>();
}

template <ChannelKind kind>
Sampler::Pace pace_with() {
  constexpr std::array kKinds = {SourceKind{"sensor", "a sensor", open_sensor<kind>, nullptr}};
  FakeClock clock;
  Sampler sampler{kKinds, {}};
  const auto inventories = sampler.inventories();
  Meter meter{inventories, {.run = "r"}};
  sampler.sample_edge(clock, meter);
  const std::uint64_t before = Sensor<kind>::readings;
  sampler.sample_tick(clock);
  EXPECT_EQ(Sensor<kind>::readings, before + 1) << "at a tick it is read";
  return sampler.pace();
}

TEST(Sampler, PowerIsReadAtEachTickAndACounterThatShowsAllAtLeisure) {
  EXPECT_EQ(pace_with<ChannelKind::power>(), Sampler::Pace::ticks);
  EXPECT_EQ(pace_with<ChannelKind::energy>(), Sampler::Pace::leisurely);
}

}  // namespace
}  // namespace everywatt
