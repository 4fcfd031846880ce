#include "cli/recording.h"
#include "cli/kinship.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "store/store.h"
#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

// The wall clock is set back by an hour while the run goes on.
class ClockThatIsSetBack final : public Clock {
 public:
  Instant now() override {
    Instant instant = real_.now();
    if (instant.steady - begin_ > 700 * kMillisecond) instant.wall -= 3600 * kSecond;
    return instant;
  }

 private:
  RealClock real_;
  Nanoseconds begin_ = real_.now().steady;
};

TEST(Recording, AWallClockThatIsSetBackMovesLabelsAndNoJoule) {
  const auto machine = testing::FixtureTree::recorded("cloud_vm");
  ::setenv("EVERYWATT_DB", (machine.root() / "everywatt.db").c_str(), 1);
  std::ostringstream out, err;
  ClockThatIsSetBack clock;
  Context context{.out = out,
                  .err = err,
                  .clock = clock,
                  .roots = {.sys = machine.root() / "sys", .proc = machine.root() / "proc"},
                  .out_style = Style{Paint::plain},
                  .err_style = Style{Paint::plain}};
  const auto job = start_job({.command = {"sleep", "2.2"}});
  ASSERT_TRUE(job);
  everywatt::Run run{.id = new_run_id(), .command = {"sleep", "2.2"}};
  Recording recording{context, Config{}, std::move(run), measured_from(::getpid())};
  const JobEnd end = recording.follow(**job);
  const Bill bill = recording.finish(end);

  EXPECT_LT(bill.run.ended->wall, bill.run.started.wall);
  EXPECT_NEAR(static_cast<double>(bill.duration) / 1e9, 2.2, 0.4);
  // The recorded machine stands still but for the few milliseconds that starting the command takes.
  ASSERT_TRUE(bill.energy.measured && bill.energy.idle);
  EXPECT_GT(static_cast<double>(*bill.energy.idle), 0.98 * static_cast<double>(*bill.energy.measured));
  ASSERT_FALSE(bill.devices.empty());
  for (const DeviceBill& device : bill.devices) EXPECT_GT(device.coverage, 0.99) << device.record.device.id;
  const auto store = open_store(machine.root() / "everywatt.db");
  ASSERT_TRUE(store);
  const auto kept = (*store)->read(bill.run.id);
  ASSERT_TRUE(kept);
  MicroJoules booked = 0;
  for (const Entry& entry : kept->entries) {
    booked += entry.energy;
    EXPECT_LE(std::abs(entry.minute - bill.run.started.wall / (60 * kSecond)), 1);
  }
  EXPECT_EQ(booked, *bill.energy.measured);
}

}  // namespace
}  // namespace everywatt
