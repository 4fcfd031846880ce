// GPUs that are cut (MIG) in the meter: who is charged what, in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "meter/meter.h"

namespace everywatt {
namespace {

constexpr std::string_view kGpu = "gpu:GPU-1";

double joules(MicroJoules energy) { return static_cast<double>(energy) / 1e6; }

// A GPU that is cut in sevenths: a slice of three for the run, one of two for another, two for nobody.
class Sliced {
 public:
  explicit Sliced(bool tells_work, std::vector<Tenant> tenants = {{.run = "us", .from = 0}})
      : tells_work_{tells_work}, tenants_{std::move(tenants)} {
    Device gpu{.id = std::string{kGpu}, .kind = DeviceKind::gpu, .index = 0};
    gpu.slices = {{.share = 3.0 / 7, .names = {"MIG-a"}}, {.share = 2.0 / 7, .names = {"MIG-b"}}};
    inventory_.devices = {gpu};
    inventory_.channels = {{.device = gpu.id, .kind = ChannelKind::energy, .sensor = "counter"}};
    for (std::size_t slice = 0; slice < 2; ++slice) {
      inventory_.channels.push_back({.device = gpu.id, .kind = ChannelKind::context, .slice = slice});
      if (tells_work)
        inventory_.channels.push_back({.device = gpu.id, .kind = ChannelKind::utilisation, .slice = slice});
    }
    const Inventory* all[] = {&inventory_};
    MeterOptions options{.run = "us"};
    options.floors[gpu.id] = {.power = 70.0 * watt, .method = FloorMethod::envelope, .windows = 9};
    meter_.emplace(all, std::move(options));
    meter_->set_owner_of([](std::int64_t pid) { return pid < 100 ? Owner::run : Owner::others; });
    read({});
    meter_->begin({.steady = now_, .wall = now_});
  }

  // By slice: how much it works, and who holds a context in it.
  struct Slice {
    double worked = 0;
    std::vector<std::int64_t> contexts = {};
  };
  Accounts pass(int seconds, const std::vector<Slice>& slices) {
    for (int i = 0; i < 10 * seconds; ++i) {
      now_ += kSecond / 10;
      energy_ += 14'000'000;  // 140 W
      read(slices);
      if (now_ % kSecond == 0) keep(meter_->close_window({.until = {now_, now_}, .tenants = tenants_}));
    }
    keep(meter_->finish({.until = {now_, now_}, .tenants = tenants_}));
    return booked_;
  }
  DeviceRecord record() const { return meter_->records().front(); }

 private:
  void read(const std::vector<Slice>& slices) {
    std::vector<Reading> readings{{.channel = 0, .raw = energy_}};
    for (std::uint32_t i = 0; i < slices.size(); ++i) {
      const std::uint32_t context = 1 + i * (tells_work_ ? 2 : 1);
      readings.push_back({.channel = context, .raw = slices[i].contexts.size()});
      for (const std::int64_t pid : slices[i].contexts) readings.push_back({.channel = context, .raw = 1, .pid = pid});
      if (tells_work_)
        readings.push_back({.channel = context + 1, .raw = static_cast<std::uint64_t>(slices[i].worked * 1e6)});
    }
    meter_->take(0, {now_, now_}, readings);
  }
  void keep(const RunDelta& delta) {
    for (const Entry& entry : delta.entries) booked_[entry.account] += entry.energy;
  }

  bool tells_work_;
  Inventory inventory_;
  std::vector<Tenant> tenants_;
  std::optional<Meter> meter_;
  Nanoseconds now_ = 0;
  std::uint64_t energy_ = 0;
  Accounts booked_;
};

TEST(SlicedGpu, IsChargedByWhatItsSlicesWorkAndByTheirSize) {
  Sliced machine{true};
  const Accounts accounts = machine.pass(10, {{.worked = 1, .contexts = {1}}, {.worked = 0.5, .contexts = {100}}});
  // It works 3/7 + 1/7: idle 70 W × 3/7 = 30 W, of which 3/7 ours; active 110 W, three quarters ours.
  EXPECT_NEAR(joules(accounts.busy), 825, 12);
  EXPECT_NEAR(joules(accounts.idle), 300 * 3.0 / 7, 12);
  EXPECT_NEAR(joules(accounts.unattributed), 300 * 2.0 / 7, 12);
  EXPECT_NEAR(joules(accounts.measured()), 1400, 1e-3);
}

TEST(SlicedGpu, WhoseWorkNobodyTellsIsDividedBySizeAndSaysSo) {
  Sliced machine{false};
  const Accounts accounts = machine.pass(10, {{.contexts = {1}}, {.contexts = {1, 100}}});
  EXPECT_NEAR(joules(accounts.busy), 1400 * 4.0 / 7, 30);  // a slice, and half of another
  EXPECT_NEAR(joules(accounts.other), 1400 * 1.0 / 7, 10);
  EXPECT_EQ(accounts.idle, 0);
  EXPECT_THAT(machine.record().flags, ::testing::IsSupersetOf({"mig:by-share", "utilisation-unknown"}));
}

TEST(SlicedGpu, ASliceIsReservedByItsName) {
  Tenant us{.run = "us", .from = 0};
  us.reservation.gpus = {{"MIG-a"}};
  Sliced machine{true, {us}};
  const Accounts accounts = machine.pass(10, {{}, {.worked = 1, .contexts = {100}}});
  // It works 2/7 for another: idle 50 W, three sevenths of that ours before any context.
  EXPECT_EQ(accounts.busy, 0);
  EXPECT_NEAR(joules(accounts.idle), 500 * 3.0 / 7, 6);
}

TEST(SlicedGpu, ANestedRunGetsTheSliceThatItReservesOfItsParents) {
  Tenant us{.run = "us", .parent = "outer", .from = 0};
  us.reservation.gpus = {{"MIG-a"}};
  Tenant outer{.run = "outer", .from = 0};
  outer.reservation.gpus = {{"MIG-a", "MIG-b"}};
  Sliced machine{true, {outer, us}};
  const Accounts accounts = machine.pass(10, {{}, {.worked = 1, .contexts = {100}}});
  EXPECT_NEAR(joules(accounts.idle), 500 * 3.0 / 7, 6);
}

}  // namespace
}  // namespace everywatt
