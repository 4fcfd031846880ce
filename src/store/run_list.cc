#include <string>
#include <unordered_map>

#include "store/run_rows.h"

namespace everywatt {
namespace {

// Few runs have a row of `recent`: those that go on. Looked up beside a pass over all runs they cost less than joined
// to it. A row that is damaged is left out: who reads that run is told.
Result<std::unordered_map<std::int64_t, Recent>> all_recent(Connection& db) {
  std::unordered_map<std::int64_t, Recent> all;
  TRY(Query query, db.query("SELECT run, data FROM recent"));
  CHECK(for_each(std::move(query), [&](const Query& row) {
    if (auto recent = unpack_recent(row.view(1))) all.emplace(row.i64(0), *std::move(recent));
  }));
  return all;
}

void lay_over(const Recent& recent, RunSummary& summary) {
  if (summary.total) *summary.total += recent.charged;
  if (summary.measured) *summary.measured += recent.booked;
  if (recent.facts) summary.ended = recent.facts->ended;
}

Result<void> read_summary(const Query& row, RunSummary& summary) {
  summary = {.id = row.text(0),
             .name = row.text(1),
             .project = row.text(2),
             .model = row.text(3),
             .parent = row.maybe_text(5),
             .started = {.steady = row.i64(6), .wall = row.i64(7)},
             .total = row.maybe_i64(10),
             .measured = row.maybe_i64(11)};
  TRY(summary.status, read_status(row, 4));
  if (!row.null(8)) summary.ended = Instant{.steady = row.i64(8), .wall = row.i64(9)};
  return {};
}

Result<std::vector<FoundRun>> found_of(Query query) {
  std::vector<FoundRun> found;
  CHECK(for_each(std::move(query),
                 [&](const Query& row) { found.push_back({.id = row.text(0), .recorded_wall = row.i64(1)}); }));
  return found;
}

}  // namespace

Result<void> list_runs(Connection& db, const RunFilter& filter, ListedRuns& listed) {
  TRY(const Snapshot snapshot, Snapshot::take(db));
  TRY(const auto recent, all_recent(db));
  const std::string select =
      std::string{
          "SELECT id, name, project, model, status, parent, started_ns, started_wall_ns, ended_ns, "
          "ended_wall_ns, total_uj, booked_uj, recorded_wall_ns, key FROM run WHERE ?1 = '' OR project = ?1 ORDER "
          "BY "} +
      (filter.limit == 0 ? "key DESC LIMIT ?2" : "recorded_wall_ns DESC, key DESC LIMIT ?2");
  const std::int64_t limit = filter.limit == 0 ? -1 : static_cast<std::int64_t>(filter.limit);
  TRY(Query query, db.query(select, filter.project, limit));
  return for_each(std::move(query), [&](const Query& row) {
    RunSummary& summary = listed.runs.emplace_back();
    if (auto read = read_summary(row, summary); !read) {
      listed.runs.pop_back();
      listed.damaged.push_back(db.path().string() + ": " + read.error().what);
      return;
    }
    if (const auto found = recent.find(row.i64(13)); found != recent.end()) lay_over(found->second, summary);
    listed.recorded_wall.push_back(row.i64(12));
  });
}

Result<std::vector<FoundRun>> runs_called(Connection& db, std::string_view name) {
  TRY(Query query, db.query("SELECT id, recorded_wall_ns FROM run WHERE name = ? "
                            "ORDER BY recorded_wall_ns DESC, key DESC LIMIT 1",
                            name));
  return found_of(std::move(query));
}

Result<std::vector<FoundRun>> runs_beginning(Connection& db, std::string_view prefix) {
  // All texts that begin so lie between the prefix and the prefix followed by a byte that UTF-8 never has.
  TRY(Query query, db.query("SELECT id, recorded_wall_ns FROM run WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 4",
                            prefix, std::string{prefix} + "\xff"));
  return found_of(std::move(query));
}

Result<std::vector<FoundRun>> newest_run(Connection& db) {
  TRY(Query query, db.query("SELECT id, recorded_wall_ns FROM run ORDER BY recorded_wall_ns DESC, key DESC LIMIT 1"));
  return found_of(std::move(query));
}

}  // namespace everywatt
