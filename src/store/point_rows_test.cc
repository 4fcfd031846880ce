// Points that fill no chunk yet stand in one row a commit: whoever reads finds them, wherever an older version put
// them, and they are nobody else's.
#include "store/point_rows.h"

#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace everywatt {
namespace {

using ::testing::ElementsAreArray;
using testing::must;
using testing::points_of;
using testing::run_named;

class PointRowsOfRuns : public ::testing::Test {
 protected:
  PointRowsOfRuns() { must(store_->put_run(one_)), must(store_->put_run(other_)); }

  void second(const std::string& run) {
    const SeriesPoint point{.time = ++seconds_ * kSecond, .value = seconds_ * seconds_};
    points_[run].push_back(point);
    must(store_->append(run, points_of("d", Track::energy, {point})));
    must(store_->commit());
  }
  void end(everywatt::Run& run) {
    run.status = RunStatus::finished;
    must(store_->put_run(run));
    must(store_->commit());
  }
  void expect_points(Store& store, const std::string& run) {
    EXPECT_THAT(must(store.series(run, "d", Track::energy)), ElementsAreArray(points_[run])) << run;
  }
  // What version 6 wrote.
  void move_to_tail() {
    must(must(Connection::open(place_.path(), Connection::Access::read_write))
             .execute("INSERT INTO tail SELECT place >> 24, place & 0xffffff, data FROM recent_points; "
                      "DELETE FROM recent_points"));
  }
  std::int64_t count(const std::string& table) {
    Connection db = must(Connection::open(place_.path(), Connection::Access::read_only));
    return must(db.number("SELECT count(*) FROM " + table)).value_or(-1);
  }

  testing::StorePlaceFixture place_;
  std::unique_ptr<Store> store_ = must(place_.open());
  everywatt::Run one_ = run_named("one"), other_ = run_named("other");
  std::map<std::string, std::vector<SeriesPoint>> points_;
  std::int64_t seconds_ = 0;
};

TEST_F(PointRowsOfRuns, AreReadRunByRun) {
  for (int i = 0; i < 3; ++i) second("one"), second("other");
  EXPECT_EQ(count("recent_points"), 6);
  for (const char* run : {"one", "other"}) expect_points(*must(place_.open()), run);
}

TEST_F(PointRowsOfRuns, AreFoldedRunByRun) {
  for (int i = 0; i < 3; ++i) second("one"), second("other");
  end(one_);
  EXPECT_EQ(count("recent_points"), 3);
  EXPECT_EQ(count("chunk"), 1);
  second("other");
  for (const char* run : {"one", "other"}) expect_points(*must(place_.open()), run);
}

TEST_F(PointRowsOfRuns, ThoseOfAnOlderVersionComeFirst) {
  second("one"), second("one");
  move_to_tail();
  expect_points(*must(place_.open()), "one");
  second("one"), second("one");
  EXPECT_EQ(count("tail"), 2);
  EXPECT_EQ(count("recent_points"), 2);
  expect_points(*must(place_.open()), "one");
  end(one_);
  EXPECT_EQ(count("tail") + count("recent_points"), 0);
  expect_points(*must(place_.open()), "one");
}

TEST_F(PointRowsOfRuns, AreCopiedWhereTheRunGetsAnotherKey) {
  second("one"), second("other"), second("other");
  testing::StorePlaceFixture elsewhere;
  const auto target = must(elsewhere.open());
  for (const char* run : {"a", "b", "c"}) must(target->put_run(run_named(run)));
  must(target->commit());
  must(target->merge(place_.path()));
  for (const char* run : {"one", "other"}) expect_points(*target, run);
  for (const char* run : {"a", "b", "c"}) EXPECT_TRUE(must(target->series(run, "d", Track::energy)).empty());
}

TEST_F(PointRowsOfRuns, GoWithTheirRunAlone) {
  second("one"), second("other");
  must(store_->remove("one"));
  EXPECT_EQ(count("recent_points"), 1);
  expect_points(*store_, "other");
}

// Of a run that another process has ended, and whose points it did not know of.
TEST_F(PointRowsOfRuns, AreDroppedWithTheSeriesOfOldRuns) {
  second("one"), second("other");
  must(must(Connection::open(place_.path(), Connection::Access::read_write))
           .execute("UPDATE run SET status = 'lost', ended_wall_ns = 1 WHERE id = 'one'"));
  EXPECT_EQ(must(must(place_.open())->drop_series_before(kSecond)), 1u);
  EXPECT_EQ(count("recent_points"), 1);
  expect_points(*must(place_.open()), "other");
}

}  // namespace
}  // namespace everywatt
