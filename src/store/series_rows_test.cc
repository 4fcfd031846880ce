// Series in a store: kept, sliced, dropped.
#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::device_named;
using testing::entry_of;
using testing::must;
using testing::points_of;
using testing::run_named;

class StoreSeries : public testing::AnyStore {};

INSTANTIATE_TEST_SUITE_P(Forms, StoreSeries, testing::kForms, testing::form_name);

TEST_P(StoreSeries, KeepsSeriesAcrossCommitsChunksAndProcesses) {
  std::vector<SeriesPoint> all;
  std::int64_t value = 0;
  std::unique_ptr<Store> writer;
  for (int second = 0; second < 1000; ++second) {
    if (second % 250 == 0) {
      writer.reset();
      writer = open();
      must(writer->put_run(run_named("r1")));
    }
    std::vector<SeriesPoint> points;
    for (int i = 0; i < 10; ++i) points.push_back({(second * 10 + i) * 100 * kMillisecond, value += 12'345 + i * i});
    must(writer->append("r1", points_of("package:0", Track::energy, points)));
    must(writer->append("r1", points_of("package:0", Track::worked, {points.back()})));
    must(writer->commit());
    all.insert(all.end(), points.begin(), points.end());
  }
  writer.reset();
  const auto store = open();
  EXPECT_EQ(must(store->series("r1", "package:0", Track::energy)), all);
  EXPECT_EQ(must(store->series("r1", "package:0", Track::worked)).size(), 1000u);
  EXPECT_TRUE(must(store->series("r1", "package:0", Track::ours)).empty());
  EXPECT_TRUE(must(store->series("r1", "no such device", Track::energy)).empty());
  // Its end folds the open ends in; nothing is lost or moved.
  everywatt::Run over = run_named("r1");
  over.status = RunStatus::finished;
  must(store->put_run(over));
  must(store->commit());
  EXPECT_EQ(must(store->series("r1", "package:0", Track::energy)), all);
  EXPECT_EQ(must(store->series("r1", "package:0", Track::worked)).size(), 1000u);
  // What comes later still follows.
  must(store->append("r1", points_of("package:0", Track::energy, {{5000 * kSecond, -7}})));
  must(store->commit());
  EXPECT_EQ(must(open()->series("r1", "package:0", Track::energy)).back(), (SeriesPoint{5000 * kSecond, -7}));
}

TEST_P(StoreSeries, RefusesTimesThatDoNotAscend) {
  auto store = open();
  must(store->put_run(run_named("r1")));
  EXPECT_EQ(store->append("r1", points_of("d", Track::energy, {{5, 1}, {5, 2}})).error().code, Errc::misuse);
  must(store->append("r1", points_of("d", Track::energy, {{5, 1}})));
  EXPECT_EQ(store->append("r1", points_of("d", Track::energy, {{5, 1}})).error().code, Errc::misuse);
  must(store->commit());
  EXPECT_EQ(store->append("r1", points_of("d", Track::energy, {{4, 1}})).error().code, Errc::misuse);
  store = open();
  EXPECT_EQ(store->append("r1", points_of("d", Track::energy, {{5, 1}})).error().code, Errc::misuse);
  must(store->append("r1", points_of("d", Track::energy, {{6, 1}})));
}

TEST_P(StoreSeries, SlicesHoldTheExtremesAndTheMeanOfTheirPoints) {
  const auto store = open();
  everywatt::Run run = run_named("r1");
  run.status = RunStatus::finished;
  must(store->put_run(run));
  std::vector<SeriesPoint> points;
  for (int i = 0; i < 10'000; ++i) points.push_back({i * 100, (i * 7919) % 1009 - 500});
  must(store->append("r1", points_of("d", Track::energy, points)));
  must(store->commit());
  for (int call = 0; call < 2; ++call) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
      const auto slices = must(store->slices("r1", "d", Track::energy, count));
      ASSERT_EQ(slices.size(), count);
      std::size_t at = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const SeriesSlice& slice = slices[i];
        std::int64_t min = INT64_MAX, max = INT64_MIN, sum = 0;
        const std::size_t from = at;
        const Nanoseconds end = i + 1 < count ? slices[i + 1].begin : INT64_MAX;
        for (; at < points.size() && points[at].time < end; ++at) {
          min = std::min(min, points[at].value);
          max = std::max(max, points[at].value);
          sum += points[at].value;
        }
        EXPECT_EQ(std::tie(slice.min, slice.max), std::tie(min, max));
        EXPECT_EQ(slice.count, at - from);
        EXPECT_DOUBLE_EQ(slice.mean, static_cast<double>(sum) / static_cast<double>(at - from));
      }
      EXPECT_EQ(at, points.size());
    }
  }
}

TEST_P(StoreSeries, SlicesSeeWhatWasAddedSinceTheLastDrawing) {
  const auto writer = open();
  must(writer->put_run(run_named("r1")));
  must(writer->append("r1", points_of("d", Track::energy, {{0, 5}, {10, 7}})));
  must(writer->commit());
  const auto reader = open();
  EXPECT_EQ(must(reader->slices("r1", "d", Track::energy, 1))[0].count, 2u);
  must(writer->append("r1", points_of("d", Track::energy, {{20, 900}})));
  must(writer->commit());
  EXPECT_EQ(must(reader->slices("r1", "d", Track::energy, 1))[0].max, 900);
  EXPECT_EQ(must(writer->slices("r1", "d", Track::energy, 1))[0].max, 900);
  must(writer->remove("r1"));
  EXPECT_EQ(reader->slices("r1", "d", Track::energy, 1).error().code, Errc::absent);
  must(writer->put_run(run_named("r1")));
  must(writer->append("r1", points_of("d", Track::energy, {{5, 1}, {20, 2}})));
  must(writer->commit());
  EXPECT_EQ(must(reader->slices("r1", "d", Track::energy, 1))[0].max, 2);
}

TEST_P(StoreSeries, DropsSeriesOfOldRunsAndKeepsTheirEntries) {
  const auto store = open();
  for (const auto& [id, ended] : {std::pair{"old", 100}, {"new", 300}, {"open", 0}}) {
    everywatt::Run run = run_named(id);
    if (ended) run.status = RunStatus::finished;
    run.ended = Instant{.steady = 0, .wall = ended * kSecond};
    must(store->put_run(run));
    must(store->append(id, {.devices = {device_named("d")}, .entries = {entry_of("d", 10)}}));
    must(store->append(id, points_of("d", Track::energy, {{1, 1}, {2, 2}})));
  }
  must(store->commit());
  EXPECT_EQ(must(store->drop_series_before(200 * kSecond)), 1u);
  EXPECT_TRUE(must(store->series("old", "d", Track::energy)).empty());
  EXPECT_EQ(must(store->read("old")).entries.size(), 1u);
  EXPECT_EQ(must(store->series("new", "d", Track::energy)).size(), 2u);
  EXPECT_EQ(must(store->series("open", "d", Track::energy)).size(), 2u);
  EXPECT_EQ(must(store->drop_series_before(200 * kSecond)), 0u);
}

}  // namespace
}  // namespace everywatt
