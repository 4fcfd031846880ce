// Runs of other ledgers, and of files of their own.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "store/sqlite.h"
#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::device_named;
using testing::entry_of;
using ::testing::HasSubstr;
using testing::must;
using testing::points_of;
using testing::run_named;

class StoreMerge : public testing::AnyStore {};

INSTANTIATE_TEST_SUITE_P(Forms, StoreMerge, testing::kForms, testing::form_name);

TEST_P(StoreMerge, MergesTheRunsThatAreNotHereYet) {
  for (const StoreForm other_form : {StoreForm::one_file, StoreForm::file_per_run}) {
    testing::StorePlaceFixture here, there;
    const auto other = must(there.open(other_form));
    for (const char* id : {"both", "theirs"}) {
      must(other->put_run(run_named(id)));
      must(other->append(id, {.devices = {device_named("d")}, .entries = {entry_of("d", 10)}}));
      must(other->append(id, points_of("d", Track::energy, {{1, 1}, {2, 2}})));
    }
    must(other->put_floor({.host = "h", .device = "d", .watts = 5, .learnt_wall = 9}));
    must(other->commit());
    const auto store = must(here.open(GetParam()));
    must(store->put_run(run_named("both")));
    must(store->commit());
    EXPECT_EQ(must(store->merge(there.path())), 1u);
    EXPECT_EQ(must(store->merge(there.folder())), 0u);
    EXPECT_TRUE(must(store->read("both")).entries.empty());  // ours stays as it is
    const RunRecord record = must(store->read("theirs"));
    EXPECT_EQ(record.entries.size(), 1u);
    EXPECT_EQ(record.devices.size(), 1u);
    EXPECT_EQ(must(store->series("theirs", "d", Track::energy)).size(), 2u);
    EXPECT_EQ(must(store->list({.limit = 0}))[1].total.value_or(0) + must(store->list())[0].total.value_or(0), 10);
    EXPECT_EQ(must(store->floor("h", "d"))->watts, 5);
    EXPECT_EQ(must(other->list()).size(), 2u);  // theirs too
  }
}

TEST_P(StoreMerge, RefusesToMergeWhatIsNoLedger) {
  const auto store = open();
  EXPECT_EQ(store->merge("/nowhere/at/all").error().code, Errc::absent);
  std::ofstream{place_.folder() / "notes.txt"} << std::string(5000, 'x');
  const auto merged = store->merge(place_.folder() / "notes.txt");
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, Errc::malformed);
  EXPECT_TRUE(std::filesystem::exists(place_.folder() / "notes.txt"));
}

TEST_P(StoreMerge, RefusesALedgerInWhichARunIsDamagedAndTakesNothing) {
  testing::StorePlaceFixture there;
  {
    const auto other = must(there.open());
    for (const char* id : {"r1", "r2"}) must(other->put_run(run_named(id)));
    must(other->commit());
  }
  must(must(Connection::open(there.path(), Connection::Access::read_write))
           .run("UPDATE run SET status = 'odd' WHERE id = 'r2'"));
  const auto store = open();
  const auto merged = store->merge(there.path());
  ASSERT_FALSE(merged);
  EXPECT_EQ(merged.error().code, Errc::malformed);
  EXPECT_THAT(merged.error().what, HasSubstr("run r2: no such status: 'odd'"));
  EXPECT_TRUE(must(store->list()).empty());
}

TEST(StoreMergeForms, FilesOfSingleRunsAreReadWithTheLedgerAndFoldedIntoIt) {
  testing::StorePlaceFixture place;
  {
    const auto ledger = must(place.open(StoreForm::one_file));
    must(ledger->put_run(run_named("inledger", 10)));
    must(ledger->commit());
  }
  {
    const auto shared = must(place.open(StoreForm::file_per_run));
    everywatt::Run done = run_named("done", 20);
    done.status = RunStatus::finished;
    must(shared->put_run(done));
    must(shared->append("done", {.devices = {device_named("d")}, .entries = {entry_of("d", 10)}}));
    must(shared->put_run(run_named("going", 30)));
    must(shared->put_floor({.host = "h", .device = "d", .watts = 5, .learnt_wall = 9}));
    must(shared->commit());
    EXPECT_EQ(must(shared->list()).size(), 3u);
  }
  EXPECT_TRUE(std::filesystem::exists(place.folder() / "runs" / "done.db"));
  const auto store = must(place.open(StoreForm::one_file));
  EXPECT_EQ(must(store->list()).size(), 3u);
  EXPECT_EQ(must(store->find("last")), "going");
  EXPECT_EQ(must(store->merge(place.path())), 1u);
  EXPECT_FALSE(std::filesystem::exists(place.folder() / "runs" / "done.db"));
  EXPECT_TRUE(std::filesystem::exists(place.folder() / "runs" / "going.db"));  // somebody writes it
  EXPECT_EQ(must(store->list()).size(), 3u);
  EXPECT_EQ(must(store->read("done")).entries.size(), 1u);
  EXPECT_EQ(must(store->floor("h", "d"))->watts, 5);
}

TEST(StoreMergeForms, ARunFileIsWhatOneMachineHandsAnother) {
  testing::StorePlaceFixture here, there;
  {
    const auto other = must(there.open(StoreForm::file_per_run));
    everywatt::Run run = run_named("../up");  // an id is no path
    run.status = RunStatus::finished;
    must(other->put_run(run));
    must(other->commit());
  }
  const auto file = there.folder() / "runs" / "%2e.%2fup.db";
  ASSERT_TRUE(std::filesystem::exists(file));
  std::filesystem::copy_file(file, here.folder() / "handed.db");
  const auto store = must(here.open(StoreForm::one_file));
  EXPECT_EQ(must(store->merge(here.folder() / "handed.db")), 1u);
  EXPECT_EQ(must(store->find("last")), "../up");
}

}  // namespace
}  // namespace everywatt
