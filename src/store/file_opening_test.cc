// Files that are not what they should be: damaged, older, newer, somebody else's.
#include "store/file_opening.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "store/run_rows.h"
#include "store/schema.h"
#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::device_named;
using ::testing::HasSubstr;
using testing::must;
using testing::run_named;

std::vector<std::filesystem::path> set_aside_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& file : std::filesystem::directory_iterator{folder}) {
    const std::string name = file.path().filename();
    if (name.find(".damaged-") != std::string::npos && !name.ends_with("-wal") && !name.ends_with("-shm"))
      found.push_back(file.path());
  }
  return found;
}

// A ledger of some pages, all of them in the file itself.
void make_large_ledger(testing::StorePlaceFixture& place) {
  const auto store = must(place.open());
  for (int i = 0; i < 1000; ++i) {
    Run run = run_named("run" + std::to_string(i));
    run.environment["padding"] = std::string(1000, 'x');
    must(store->put_run(run));
  }
  must(store->commit());
}

void expect_set_aside(testing::StorePlaceFixture& place) {
  const std::string damaged = must(read_text(place.path()));
  const auto store = must(place.open());
  ASSERT_EQ(store->notices().size(), 1u);
  EXPECT_THAT(store->notices()[0], HasSubstr("set aside as"));
  EXPECT_EQ(store->notices()[0].find('\n'), std::string::npos);
  const auto aside = set_aside_in(place.folder());
  ASSERT_EQ(aside.size(), 1u);
  EXPECT_EQ(must(read_text(aside[0])), damaged);
  must(store->put_run(run_named("next")));
  must(store->commit());
  EXPECT_EQ(must(store->find("last")), "next");
  EXPECT_TRUE(must(place.open())->notices().empty());
}

TEST(DamagedLedger, AFileThatIsNoDatabaseIsSetAside) {
  testing::StorePlaceFixture place;
  must(write_text(place.path(), std::string(10'000, 'x')));
  expect_set_aside(place);
}

TEST(DamagedLedger, AFileCutShortIsSetAside) {
  testing::StorePlaceFixture place;
  make_large_ledger(place);
  std::filesystem::remove(place.path().string() + "-wal");
  ASSERT_GT(std::filesystem::file_size(place.path()), 200'000u);
  std::filesystem::resize_file(place.path(), std::filesystem::file_size(place.path()) / 2 / 4096 * 4096);
  expect_set_aside(place);
}

TEST(DamagedLedger, AFileWithOverwrittenTablesIsSetAside) {
  testing::StorePlaceFixture place;
  make_large_ledger(place);
  std::filesystem::remove(place.path().string() + "-wal");
  {
    std::fstream file{place.path(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(4096);
    file << std::string(20 * 4096, '\xa5');
  }
  expect_set_aside(place);
}

TEST(DamagedLedger, TwoInOneSecondGetTwoNames) {
  testing::StorePlaceFixture place;
  for (int i = 0; i < 2; ++i) {
    must(write_text(place.path(), std::string(10'000, 'x')));
    EXPECT_EQ(must(place.open())->notices().size(), 1u);
  }
  EXPECT_EQ(set_aside_in(place.folder()).size(), 2u);
}

TEST(DamagedLedger, OfManyThatFindItDamagedOneSetsItAside) {
  testing::StorePlaceFixture place;
  must(write_text(place.path(), std::string(100'000, 'x')));
  std::vector<pid_t> children;
  for (int i = 0; i < 16; ++i) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    const auto store = place.open();
    const bool done = store && (*store)->put_run(run_named("r" + std::to_string(i))) && (*store)->commit();
    ::_exit(done ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(set_aside_in(place.folder()).size(), 1u);
  EXPECT_EQ(must(must(place.open())->list()).size(), 16u);
}

TEST(DamagedLedger, OneRunsDamagedFileHidesNoOther) {
  testing::StorePlaceFixture place;
  {
    const auto store = must(place.open(StoreForm::file_per_run));
    for (const char* id : {"a", "b"}) must(store->put_run(run_named(id)));
    must(store->commit());
  }
  must(write_text(place.folder() / "runs" / "a.db", std::string(10'000, 'x')));
  const auto store = must(place.open(StoreForm::file_per_run));
  EXPECT_EQ(must(store->list()).size(), 1u);
  ASSERT_EQ(store->notices().size(), 1u);
  EXPECT_THAT(store->notices()[0], HasSubstr("a.db"));
}

std::int64_t version_of(const std::filesystem::path& path) {
  Connection db = must(Connection::open(path, Connection::Access::read_only));
  return must(db.number("PRAGMA user_version")).value_or(-1);
}

TEST(Versions, AnEmptyFileIsTheOldestVersionAndIsBroughtUpToDate) {
  testing::StorePlaceFixture place;
  must(write_text(place.path(), ""));
  const auto store = must(place.open());
  EXPECT_TRUE(store->notices().empty());
  must(store->put_run(run_named("r1")));
  must(store->commit());
  EXPECT_EQ(version_of(place.path()), static_cast<std::int64_t>(migrations().size()));
}

TEST(Versions, AnOlderFileKeepsItsRunsOnTheWayUp) {
  testing::StorePlaceFixture place;
  {
    const auto store = must(place.open());
    must(store->put_run(run_named("r1")));
    must(store->commit());
  }
  std::vector<const char*> steps{migrations().begin(), migrations().end()};
  const auto here = static_cast<std::int64_t>(steps.size());
  steps.push_back("ALTER TABLE run ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'");
  Connection db = must(Connection::open(place.path(), Connection::Access::read_write));
  must(migrate(db, steps));
  EXPECT_EQ(must(db.number("PRAGMA user_version")), here + 1);
  EXPECT_EQ(must(db.number("SELECT count(*) FROM run WHERE colour = 'green'")), 1);
  must(migrate(db, steps));  // and stays there
}

// A ledger as the first version left it.
void make_first_version(const std::filesystem::path& path) {
  {
    const auto store = must(open_store(path, {.form = StoreForm::one_file}));
    must(store->put_run(run_named("r1")));
    must(store->append("r1", {.devices = {device_named("gpu:0")}}));
    must(store->commit());
  }
  Connection db = must(Connection::open(path, Connection::Access::read_write));
  must(
      db.execute("DROP TABLE quantity; DROP TABLE cross_check; DROP TABLE work; DROP TABLE rank; DROP TABLE span; "
                 "DROP TABLE phase_quantity; DROP TABLE phase_work; DROP TABLE correction; DROP TABLE recent; "
                 "DROP TABLE recent_points; PRAGMA user_version = 1; PRAGMA journal_mode = DELETE"));
}

TEST(Versions, ALedgerFromBeforeQuantitiesGetsTheirTable) {
  testing::StorePlaceFixture place;
  make_first_version(place.path());
  const auto store = must(place.open());
  EXPECT_EQ(version_of(place.path()), 7);
  EXPECT_TRUE(must(store->read("r1")).devices.at(0).quantities.empty());
  DeviceRecord gpu = device_named("gpu:0");
  gpu.quantities = {{.name = "temperature", .unit = "celsius", .mean = 41}};
  must(store->append("r1", {.devices = {gpu}}));
  must(store->commit());
  EXPECT_EQ(must(store->read("r1")).devices.at(0).quantities, gpu.quantities);
}

TEST(Versions, AnOlderFileThatMayOnlyBeReadIsReadAndLeftAlone) {
  testing::StorePlaceFixture place;
  make_first_version(place.path());
  Connection db = must(Connection::open(place.path(), Connection::Access::read_only));
  must(migrate(db, migrations()));
  EXPECT_EQ(must(read_run(db, "r1")).devices.size(), 1u);
  EXPECT_EQ(version_of(place.path()), 1);
}

TEST(Versions, AStepThatFailsLeavesTheFileAsItWas) {
  testing::StorePlaceFixture place;
  must(place.open());
  std::vector<const char*> steps{migrations().begin(), migrations().end()};
  steps.push_back("CREATE TABLE half (a); INSERT INTO nowhere VALUES (1)");
  Connection db = must(Connection::open(place.path(), Connection::Access::read_write));
  EXPECT_FALSE(migrate(db, steps));
  EXPECT_EQ(must(db.number("PRAGMA user_version")), static_cast<std::int64_t>(migrations().size()));
  EXPECT_EQ(must(db.number("SELECT count(*) FROM sqlite_schema WHERE name = 'half'")), 0);
}

TEST(Versions, ANewerFileIsRefusedInOneLineAndLeftAlone) {
  testing::StorePlaceFixture place;
  must(place.open());
  {
    Connection db = must(Connection::open(place.path(), Connection::Access::read_write));
    must(db.execute("PRAGMA user_version = 99"));
  }
  const auto store = place.open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::io);
  EXPECT_THAT(store.error().what, HasSubstr("newer everywatt (format 99, this one knows 7)"));
  EXPECT_EQ(store.error().what.find('\n'), std::string::npos);
  EXPECT_EQ(version_of(place.path()), 99);
  EXPECT_TRUE(set_aside_in(place.folder()).empty());
}

TEST(Versions, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
  testing::StorePlaceFixture place;
  {
    Connection db = must(Connection::open(place.path(), Connection::Access::create));
    must(db.execute("CREATE TABLE bookmarks (url TEXT)"));
  }
  const std::string before = must(read_text(place.path()));
  const auto store = place.open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::misuse);
  EXPECT_THAT(store.error().what, HasSubstr("another program"));
  EXPECT_EQ(must(read_text(place.path())), before);
}

TEST(Versions, AFolderIsNoLedger) {
  testing::StorePlaceFixture place;
  EXPECT_EQ(open_store(place.folder(), {.form = StoreForm::one_file}).error().code, Errc::misuse);
}

}  // namespace
}  // namespace everywatt
