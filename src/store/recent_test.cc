// The last commits of a run stand in one row beside its tables: readers see no difference, whoever looks, and nothing
// is lost by it.
#include "store/recent.h"

#include <gmock/gmock.h>

#include <limits>

#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::device_named;
using testing::entry_of;
using testing::must;
using testing::run_named;

constexpr auto kMost = std::numeric_limits<std::int64_t>::max(), kLeast = std::numeric_limits<std::int64_t>::min();

Recent some_recent() {
  return {.commits = 3,
          .figures = {{.device = 1, .measured = kMost, .uncertainty_random = 2, .uncertainty_systematic = 3},
                      {.device = 4, .measured = 0, .observed = kMost, .busy_time = 5, .reserved_time = 6}},
          .entries = {{.minute = 7, .device = 1, .phase = 2, .account = Account::busy, .energy = kLeast},
                      {.minute = 7, .device = 1, .phase = 2, .account = Account::unattributed, .energy = kMost},
                      {.minute = 8, .device = 1, .phase = 1, .account = Account::idle, .energy = -1}},
          .charged = kLeast,
          .booked = kMost,
          .facts = MovingFacts{.ended = Instant{.steady = 9, .wall = kMost},
                               .usage = {.cpu_time = 10,
                                         .peak_memory_bytes = 11,
                                         .disk_written_bytes = ~std::uint64_t{0},
                                         .network = {{.kind = "internet", .received = 12}},
                                         .method = "cgroup"},
                               .overhead = {.cpu_time = 13, .peak_rss_bytes = 14, .marks_dropped = 15}}};
}

// As version 6 had it, which knew no facts of the run.
std::string without_run(const Recent& recent) {
  const std::string bytes = pack({.commits = recent.commits, .figures = recent.figures, .entries = recent.entries});
  return bytes.substr(0, bytes.size() - 3);
}

TEST(Recent, GivesBackWhatItWasGiven) {
  EXPECT_EQ(unpack_recent(pack(some_recent())), some_recent());
  EXPECT_EQ(unpack_recent(pack(Recent{.commits = 1})), Recent{.commits = 1});
  EXPECT_EQ(unpack_recent(pack(Recent{.commits = 1, .facts = MovingFacts{}})),
            (Recent{.commits = 1, .facts = MovingFacts{}}));
}

TEST(Recent, WhatAnOlderVersionWroteIsRead) {
  Recent recent = some_recent();
  const std::string bytes = without_run(recent);
  recent.charged = recent.booked = 0;
  recent.facts.reset();
  EXPECT_EQ(unpack_recent(bytes), recent);
}

TEST(Recent, EveryTruncationAndWhatFollowsTheEndIsDamage) {
  const std::string bytes = pack(some_recent());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::string part = bytes.substr(0, size);
    EXPECT_EQ(unpack_recent(part).has_value(), part == without_run(some_recent())) << size;
  }
  EXPECT_EQ(unpack_recent(bytes + '\0'), std::nullopt);
}

TEST(Recent, RowsOutOfOrderAccountsThatAreNoneAndCountsThatCannotBeAreDamage) {
  Recent swapped = some_recent();
  std::swap(swapped.figures[0], swapped.figures[1]);
  EXPECT_EQ(unpack_recent(pack(swapped)), std::nullopt);
  swapped = some_recent();
  std::swap(swapped.entries[0], swapped.entries[2]);
  EXPECT_EQ(unpack_recent(pack(swapped)), std::nullopt);
  std::string bytes = without_run(some_recent());
  bytes.back() = 4;
  EXPECT_EQ(unpack_recent(bytes), std::nullopt);
  EXPECT_EQ(unpack_recent("\x01\xff\xff\xff\xff\xff\xff\xff\xff\x01"), std::nullopt);
}

// A run at which it goes on for some seconds, as a meter tells it.
class RecentRows : public ::testing::TestWithParam<StoreForm> {
 protected:
  RecentRows() : writer_{must(place_.open(GetParam()))} { must(writer_->put_run(run_)); }

  void second() {
    ++seconds_;
    if (tells_facts_) {
      run_.usage.cpu_time = seconds_;
      run_.ended = Instant{.steady = seconds_ * kSecond, .wall = seconds_ * kSecond};
      must(writer_->put_run(run_));
    }
    for (DeviceRecord* const device : {&package_, &memory_}) {
      device->measured = 30 * seconds_;
      device->observed = seconds_ * kSecond;
      device->uncertainty_random = seconds_;
    }
    must(writer_->append(run_.id, {.devices = {package_, memory_, bare_},
                                   .entries = {entry_of("package:0", 20), entry_of("package:0", 10, Account::other),
                                               entry_of("dram:0", 30, Account::idle, 7 + seconds_ / 3)}}));
    must(writer_->commit());
  }
  void expect_all(Store& store) {
    const RunRecord record = must(store.read(run_.id));
    EXPECT_EQ(record.run.usage, run_.usage);
    EXPECT_EQ(record.run.ended, run_.ended);
    ASSERT_EQ(record.devices.size(), 3u);
    EXPECT_EQ(record.devices[0].measured, 30 * seconds_);
    EXPECT_EQ(record.devices[1].observed, seconds_ * kSecond);
    EXPECT_EQ(record.devices[2].measured, std::nullopt);
    MicroJoules busy = 0, other = 0, idle = 0, minutes = 0;
    for (const Entry& entry : record.entries) {
      if (entry.account == Account::busy) busy += entry.energy;
      if (entry.account == Account::other) other += entry.energy;
      if (entry.account == Account::idle) idle += entry.energy;
      if (entry.account == Account::idle) ++minutes;
    }
    EXPECT_EQ(std::tuple(busy, other, idle), std::tuple(20 * seconds_, 10 * seconds_, 30 * seconds_));
    EXPECT_EQ(minutes, seconds_ / 3 + 1);
    const auto listed = must(store.list({}));
    EXPECT_EQ(listed[0].total, 20 * seconds_) << "memory is part of the node and does not count";
    EXPECT_EQ(listed[0].measured, 30 * seconds_);
    EXPECT_EQ(listed[0].ended, run_.ended);
  }
  [[nodiscard]] std::filesystem::path file() const {
    return GetParam() == StoreForm::one_file ? place_.path() : place_.folder() / "runs" / (run_.id + ".db");
  }
  std::int64_t count(const char* sql) {
    return must(must(Connection::open(file(), Connection::Access::read_only)).number(sql)).value_or(-1);
  }

  testing::StorePlaceFixture place_;
  everywatt::Run run_ = run_named("r1");
  DeviceRecord package_ = device_named("package:0"), memory_ = device_named("dram:0"), bare_ = device_named("gpu:0");
  std::unique_ptr<Store> writer_;
  std::int64_t seconds_ = 0;
  bool tells_facts_ = true;

  void SetUp() override {
    memory_.counted = false;
    bare_.measured.reset();
    bare_.reason = "no sensor";
  }
};

INSTANTIATE_TEST_SUITE_P(Forms, RecentRows, ::testing::Values(StoreForm::one_file, StoreForm::file_per_run),
                         [](const auto& form) { return form.param == StoreForm::one_file ? "OneFile" : "FilePerRun"; });

TEST_P(RecentRows, ReadersSeeEachCommitWhereverItStands) {
  for (int i = 0; i < 65; ++i) {
    tells_facts_ = i % 7 != 3;
    second();
    expect_all(*must(place_.open(GetParam())));
  }
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 1);
  EXPECT_EQ(count("SELECT observed_ns FROM device WHERE observed_ns > 0"), 62 * kSecond) << "every sixty-first commit";
}

TEST_P(RecentRows, FactsOfTheRunThatMoveStandThereAndOthersAtOnceInItsOwnRow) {
  second(), second(), second();
  EXPECT_EQ(count("SELECT cpu_ns FROM run"), 2) << "as of when the row was begun";
  run_.tags["team"] = "vision";
  second();
  EXPECT_EQ(must(must(place_.open(GetParam()))->read(run_.id)).run, run_);
  EXPECT_EQ(count("SELECT count(*) FROM run WHERE tags LIKE '%vision%'"), 1);
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 1);
  run_.usage.cpu_time = 100;
  must(writer_->put_run(run_));
  must(writer_->commit());
  expect_all(*must(place_.open(GetParam())));
}

TEST_P(RecentRows, FactsGoToTheRunsRowWithTheRest) {
  second(), second();
  tells_facts_ = false;
  package_.flags = {"counter-reset"};
  second();
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
  EXPECT_EQ(count("SELECT cpu_ns FROM run"), 2);
  expect_all(*must(place_.open(GetParam())));
}

// It may have looked long before.
TEST_P(RecentRows, WhoeverChangesAnotherFactWritesNoneOfThem) {
  second(), second();
  const auto other = must(place_.open(GetParam()));
  everywatt::Run tagged = must(other->read(run_.id)).run;
  for (const char* team : {"vision", "speech"}) {
    tagged.tags["team"] = team;
    must(other->put_run(tagged));
    must(other->commit());
    second(), second();
    const auto row = [&] { return must(must(place_.open(GetParam()))->read(run_.id)).run.usage; };
    must(other->put_run(tagged));
    must(other->commit());
    EXPECT_EQ(row(), run_.usage);
    EXPECT_EQ(must(must(place_.open(GetParam()))->read(run_.id)).devices[0].measured, 30 * seconds_);
  }
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 1);
}

TEST_P(RecentRows, ARunRemovedMeanwhileIsThereAgainWithAllThatFollows) {
  second(), second();
  must(must(place_.open(GetParam()))->remove(run_.id));
  second();
  const RunRecord record = must(must(place_.open(GetParam()))->read(run_.id));
  EXPECT_EQ(record.run, run_);
  ASSERT_EQ(record.devices.size(), 3u);
  EXPECT_EQ(record.devices[0].measured, 90);
}

TEST_P(RecentRows, AnEndedRunHasAllInItsTables) {
  second();
  second();
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 1);
  run_.status = RunStatus::finished;
  must(writer_->put_run(run_));
  must(writer_->commit());
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
  EXPECT_EQ(count("SELECT sum(energy_uj) FROM entry"), 120);
  EXPECT_EQ(count("SELECT sum(booked_uj) FROM device_sum"), 120);
  expect_all(*writer_);
}

TEST_P(RecentRows, WhoeverFindsThemGoesOnWhereTheyEnd) {
  second();
  second();
  writer_ = must(place_.open(GetParam()));  // the first one was killed
  run_.status = RunStatus::lost;
  must(writer_->put_run(run_));
  must(writer_->commit());
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
  expect_all(*writer_);
}

// Whoever cannot see the supervisor, from another container, takes the run for lost while it goes on.
TEST_P(RecentRows, WhatAnotherFoldedIsNotFoldedAgain) {
  for (const int more : {1, 2, 12}) {
    second();
    second();
    const auto other = must(place_.open(GetParam()));
    everywatt::Run lost = run_;
    lost.status = RunStatus::lost;
    must(other->put_run(lost));
    must(other->commit());
    EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
    for (int i = 0; i < more; ++i) second();
    expect_all(*must(place_.open(GetParam())));
  }
}

TEST_P(RecentRows, WhatADeviceIsGoesToItsTableWithAllThatWasGathered) {
  second();
  second();
  package_.flags = {"counter-reset"};
  second();
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
  EXPECT_EQ(must(writer_->read(run_.id)).devices[0].flags, package_.flags);
  expect_all(*writer_);
}

TEST_P(RecentRows, ADeviceLeftOutKeepsItsLastFigures) {
  second();
  second();
  package_.flags = {"counter-reset"};
  must(writer_->append(run_.id, {.devices = {package_}}));
  must(writer_->commit());
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
  expect_all(*writer_);
}

TEST_P(RecentRows, ClearedEntriesAreGoneAndFiguresStay) {
  second();
  second();
  must(writer_->clear_entries(run_.id));
  must(writer_->append(run_.id, {.entries = {entry_of("package:0", 5)}}));
  must(writer_->commit());
  const RunRecord record = must(writer_->read(run_.id));
  ASSERT_EQ(record.entries.size(), 1u);
  EXPECT_EQ(record.entries[0].energy, 5);
  EXPECT_EQ(record.devices[0].measured, 60);
  EXPECT_EQ(must(writer_->list({}))[0].total, 5);
}

TEST_P(RecentRows, GoWithTheRunWhereItIsMergedAndRemoved) {
  second();
  second();
  testing::StorePlaceFixture elsewhere;
  const auto other = must(elsewhere.open());
  must(other->merge(place_.path()));
  expect_all(*other);
  must(writer_->remove(run_.id));
  if (GetParam() == StoreForm::file_per_run) return;  // the file is gone
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
}

TEST_P(RecentRows, ManyPhasesAreNotWrittenAgainEachSecond) {
  second();
  RunDelta delta;
  for (int i = 0; i < 300; ++i)
    delta.entries.push_back({.device = "package:0", .phase = "p" + std::to_string(i), .minute = 7, .energy = 1});
  must(writer_->append(run_.id, delta));
  must(writer_->commit());
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 1);
  second();
  EXPECT_EQ(count("SELECT count(*) FROM recent"), 0);
  EXPECT_EQ(must(writer_->read(run_.id)).entries.size(), 303u);
}

}  // namespace
}  // namespace everywatt
