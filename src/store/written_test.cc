// What was written before is not written again, and nothing gets lost by that.
#include "store/written.h"

#include <gtest/gtest.h>

#include "store/sqlite.h"
#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::device_named;
using testing::entry_of;
using testing::must;
using testing::run_named;

class WrittenBefore : public ::testing::Test {
 protected:
  WrittenBefore() : writer_{must(place_.open())} { put(); }

  void put() {
    must(writer_->put_run(run_));
    must(writer_->append(run_.id, {.devices = {device_}, .entries = {entry_of(device_.device.id, 1)}}));
    must(writer_->commit());
  }
  RunRecord read() { return must(must(place_.open())->read(run_.id)); }
  void execute(const char* sql) {
    must(must(Connection::open(place_.path(), Connection::Access::read_write)).execute(sql));
  }

  everywatt::Run run_ = run_named("r1");
  DeviceRecord device_ = device_named("package:0");
  testing::StorePlaceFixture place_;
  std::unique_ptr<Store> writer_;
};

TEST_F(WrittenBefore, WhatMovesIsWritten) {
  run_.ended = Instant{.steady = 9 * kSecond, .wall = 1'004 * kSecond};
  run_.usage = {.cpu_time = 5,
                .peak_memory_bytes = 6,
                .disk_read_bytes = 7,
                .disk_written_bytes = 8,
                .network = {{.kind = "internet", .received = 9}},
                .method = "cgroup"};
  run_.overhead = {.cpu_time = 10, .peak_rss_bytes = 11, .marks_dropped = 12};
  run_.work["tokens"] = 13;
  device_.measured = 14;
  device_.uncertainty_random = 15;
  device_.uncertainty_systematic = 16;
  device_.observed = 17;
  device_.busy_time = 18;
  device_.reserved_time = 19;
  device_.utilisation_known = false;
  device_.counted = false;
  device_.method = Method::integrated;
  device_.sensor = device_.correlation = "other";
  device_.flags = {"sensor-lost"};
  device_.reason = "why";
  put();
  const RunRecord record = read();
  EXPECT_EQ(record.run, run_);
  ASSERT_EQ(record.devices.size(), 1u);
  const DeviceRecord& device = record.devices[0];
  EXPECT_EQ(std::tie(device.measured, device.uncertainty_random, device.uncertainty_systematic, device.observed,
                     device.busy_time, device.reserved_time, device.utilisation_known, device.counted),
            std::tie(device_.measured, device_.uncertainty_random, device_.uncertainty_systematic, device_.observed,
                     device_.busy_time, device_.reserved_time, device_.utilisation_known, device_.counted));
  EXPECT_EQ(std::tie(device.method, device.sensor, device.correlation, device.flags, device.reason),
            std::tie(device_.method, device_.sensor, device_.correlation, device_.flags, device_.reason));
}

TEST_F(WrittenBefore, WhatIsNoLongerTheSameIsWritten) {
  run_.tags["seed"] = "1";
  device_.device.cpus = {0, 1};
  put();
  EXPECT_EQ(read().run.tags, run_.tags);
  EXPECT_EQ(read().devices[0].device.cpus, device_.device.cpus);
}

TEST_F(WrittenBefore, WhatIsTheSameIsLeftAsItIs) {
  execute("UPDATE run SET host = 'elsewhere'");
  execute("UPDATE device SET model = 'corrected'");
  run_.overhead.cpu_time = 1;
  device_.measured = 1;
  put();
  EXPECT_EQ(read().run.host, "elsewhere");
  EXPECT_EQ(read().devices[0].device.model, "corrected");
}

TEST_F(WrittenBefore, WhatWasRolledBackIsWrittenAgain) {
  run_.tags["seed"] = "1";
  device_.device.cpus = {0, 1};
  execute("ALTER TABLE entry RENAME TO hidden");
  EXPECT_THROW(put(), std::runtime_error);
  execute("ALTER TABLE hidden RENAME TO entry");
  must(writer_->commit());
  EXPECT_EQ(read().run.tags, run_.tags);
  EXPECT_EQ(read().devices[0].device.cpus, device_.device.cpus);
}

TEST_F(WrittenBefore, WhatAnotherRemovedIsWrittenAgain) {
  must(must(place_.open())->remove(run_.id));
  put();
  EXPECT_EQ(read().run.name, run_.name);
  ASSERT_EQ(read().devices.size(), 1u);
  EXPECT_EQ(read().entries[0].energy, 1);
}

}  // namespace
}  // namespace everywatt
