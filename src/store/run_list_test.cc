// What a store tells of its runs without reading them whole.
#include <gmock/gmock.h>

#include "store/sqlite.h"
#include "store/store_fixture.h"

namespace everywatt {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::must;
using testing::run_named;
using ::testing::UnorderedElementsAre;

class StoreRunList : public testing::AnyStore {};

INSTANTIATE_TEST_SUITE_P(Forms, StoreRunList, testing::kForms, testing::form_name);

TEST_P(StoreRunList, FindsByIdPrefixNameAndLast) {
  const auto store = open();
  for (const auto& [id, name, started] :
       {std::tuple{"abc1", "train", 10}, {"abd2", "train", 30}, {"xyz3", "eval", 20}}) {
    everywatt::Run run = run_named(id, started * kSecond);
    run.name = name;
    must(store->put_run(run));
  }
  must(store->commit());
  EXPECT_EQ(must(store->find("abc1")), "abc1");
  EXPECT_EQ(must(store->find("x")), "xyz3");
  EXPECT_EQ(must(store->find("train")), "abd2");
  EXPECT_EQ(must(store->find("last")), "abd2");
  const auto several = store->find("ab");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().code, Errc::misuse);
  EXPECT_THAT(several.error().what, HasSubstr("abc1, abd2"));
  const auto none = store->find("nothing");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::absent);
  EXPECT_EQ(store->find("").error().code, Errc::misuse);
}

TEST_P(StoreRunList, AnImportIsAsNewAsTheMomentItWasMade) {
  const auto store = open();
  must(store->put_run(run_named("job", place_.clock.now().wall - kSecond)));
  everywatt::Run import = run_named("imported", 1);  // of long ago
  import.origin = "import";
  must(store->put_run(import));
  must(store->commit());
  EXPECT_EQ(must(store->find("last")), "imported");
  EXPECT_EQ(must(store->list())[0].id, "imported");
  // Written again later, it does not become newer.
  place_.clock.advance(100 * kSecond);
  must(store->put_run(run_named("next", place_.clock.now().wall)));
  place_.clock.advance(100 * kSecond);
  must(open()->put_run(import));
  must(store->commit());
  EXPECT_EQ(must(store->find("last")), "next");
}

TEST_P(StoreRunList, ListsNewestFirstByProjectUpToALimit) {
  const auto store = open();
  for (int i = 0; i < 6; ++i) {
    everywatt::Run run = run_named("r" + std::to_string(i), i * kSecond);
    run.project = i % 2 ? "odd" : "even";
    must(store->put_run(run));
  }
  must(store->commit());
  const auto ids = [&](const RunFilter& filter) {
    std::vector<std::string> found;
    for (const RunSummary& summary : must(store->list(filter))) found.push_back(summary.id);
    return found;
  };
  EXPECT_THAT(ids({}), ElementsAre("r5", "r4", "r3", "r2", "r1", "r0"));
  EXPECT_THAT(ids({.project = "odd"}), ElementsAre("r5", "r3", "r1"));
  EXPECT_THAT(ids({.project = "even", .limit = 2}), ElementsAre("r4", "r2"));
}

TEST_P(StoreRunList, AListTellsWhatItPromisesOfARun) {
  const auto store = open();
  everywatt::Run run = run_named("abc123");
  run.project = "digits";
  run.model = "mlp";
  run.status = RunStatus::killed;
  run.parent = "parent1";
  run.ended = Instant{.steady = 9 * kSecond, .wall = 1'004 * kSecond};
  must(store->put_run(run));
  must(store->commit());
  const RunSummary listed = must(store->list())[0];
  EXPECT_EQ(listed.name, run.name);
  EXPECT_EQ(listed.project, run.project);
  EXPECT_EQ(listed.model, run.model);
  EXPECT_EQ(listed.status, run.status);
  EXPECT_EQ(listed.parent, run.parent);
  EXPECT_EQ(listed.started.wall, run.started.wall);
  ASSERT_TRUE(listed.ended && run.ended);
  EXPECT_EQ(listed.ended->steady, run.ended->steady);
}

TEST_P(StoreRunList, ARunThatIsDamagedHidesNoOther) {
  {
    const auto store = open();
    for (const char* id : {"r1", "r2", "r3"}) must(store->put_run(run_named(id)));
    must(store->commit());
  }
  const auto file = GetParam() == StoreForm::one_file ? place_.path() : place_.folder() / "runs" / "r2.db";
  must(must(Connection::open(file, Connection::Access::read_write))
           .run("UPDATE run SET status = 'odd' WHERE id = 'r2'"));
  const auto store = open();
  std::vector<std::string> ids;
  for (const RunSummary& summary : must(store->list())) ids.push_back(summary.id);
  EXPECT_THAT(ids, UnorderedElementsAre("r1", "r3"));
  EXPECT_THAT(store->notices(),
              ElementsAre(AllOf(HasSubstr(file.string()), HasSubstr("run r2: no such status: 'odd'"))));
}

}  // namespace
}  // namespace everywatt
