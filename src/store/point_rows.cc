#include "store/point_rows.h"

namespace everywatt {
namespace {

// A row's place is its run and, in the last bits, its number within the run: from 1 on, and not far, since rows are
// folded into chunks after some thousands at the latest.
constexpr int kNumberBits = 24;

struct Places {
  std::int64_t first;
  std::int64_t last;
};
Places places_of(std::int64_t run) {
  const std::int64_t before = run << kNumberBits;
  return {.first = before + 1, .last = before + (std::int64_t{1} << kNumberBits) - 1};
}

}  // namespace

Result<bool> has_point_rows(Connection& db, std::int64_t run) {
  const auto [first, last] = places_of(run);
  TRY(const auto any, db.number("SELECT EXISTS (SELECT 1 FROM tail WHERE run = ?1) OR "
                                "EXISTS (SELECT 1 FROM recent_points WHERE place BETWEEN ?2 AND ?3)",
                                run, first, last));
  return any.value_or(0) != 0;
}

Result<PointRows> visit_point_rows(Connection& db, std::int64_t run,
                                   const std::function<Result<void>(std::string_view)>& take) {
  PointRows last;
  const auto visit = [&](Query rows, std::int64_t& last_row) {
    return for_each(std::move(rows), [&](const Query& row) {
      last_row = row.i64(0);
      return take(row.view(1));
    });
  };
  TRY(Query older, db.query("SELECT number, data FROM tail WHERE run = ? ORDER BY number", run));
  CHECK(visit(std::move(older), last.in_tail));
  const auto [from, to] = places_of(run);
  TRY(Query newer,
      db.query("SELECT place, data FROM recent_points WHERE place BETWEEN ? AND ? ORDER BY place", from, to));
  CHECK(visit(std::move(newer), last.recent));
  return last;
}

Result<void> append_point_row(Connection& db, std::int64_t run, std::string_view data) {
  const auto [first, last] = places_of(run);
  return db.run(
      "INSERT INTO recent_points (place, data) SELECT coalesce(max(place) + 1, ?1), ?3 FROM recent_points "
      "WHERE place BETWEEN ?1 AND ?2",
      first, last, Blob{data});
}

Result<void> delete_point_rows(Connection& db, std::int64_t run, const PointRows& last) {
  if (last.in_tail > 0) CHECK(db.run("DELETE FROM tail WHERE run = ? AND number <= ?", run, last.in_tail));
  if (last.recent > 0)
    CHECK(db.run("DELETE FROM recent_points WHERE place BETWEEN ? AND ?", places_of(run).first, last.recent));
  return {};
}

Result<void> delete_recent_points(Connection& db, std::int64_t run) {
  const auto [first, last] = places_of(run);
  return db.run("DELETE FROM recent_points WHERE place BETWEEN ? AND ?", first, last);
}

Result<void> copy_recent_points(Connection& from, std::int64_t old_run, Connection& to, std::int64_t new_run) {
  const auto [first, last] = places_of(old_run);
  const std::int64_t further = places_of(new_run).first - first;
  TRY(Query rows, from.query("SELECT place, data FROM recent_points WHERE place BETWEEN ? AND ?", first, last));
  return for_each(std::move(rows), [&](const Query& row) {
    return to.run("INSERT INTO recent_points (place, data) VALUES (?, ?)", row.i64(0) + further, Blob{row.view(1)});
  });
}

}  // namespace everywatt
