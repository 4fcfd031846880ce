#include "store/copy_rows.h"

#include <algorithm>
#include <string>

#include "store/point_rows.h"
#include "store/run_rows.h"
#include "store/schema.h"

namespace everywatt {
namespace {

int count_columns(std::string_view columns) { return static_cast<int>(std::ranges::count(columns, ',')) + 1; }

std::string placeholders(int count) {
  std::string marks = "?";
  for (int i = 1; i < count; ++i) marks += ", ?";
  return marks;
}

Result<void> copy_table(Connection& from, std::int64_t old_key, Connection& to, std::int64_t new_key,
                        const RunTable& table) {
  const std::string name = table.name, columns = table.columns;
  const int count = count_columns(columns);
  TRY(Query rows, from.query("SELECT " + columns + " FROM " + name + " WHERE run = ?", old_key));
  return for_each(std::move(rows), [&](const Query& row) -> Result<void> {
    TRY(Query insert,
        to.query("INSERT INTO " + name + " (run, " + columns + ") VALUES (?, " + placeholders(count) + ")", new_key));
    for (int column = 0; column < count; ++column) insert.bind_column(column + 2, row, column);
    CHECK(insert.next());
    return {};
  });
}

// `newer`: the column whose greater value wins.
Result<void> copy_of_host(Connection& from, Connection& to, std::string_view host, const std::string& table,
                          const std::string& columns, const std::string& newer) {
  const int count = count_columns(columns);
  std::string updates;
  for (std::size_t at = 0; at < columns.size();) {
    const std::size_t end = std::min(columns.find(", ", at), columns.size());
    const std::string column = columns.substr(at, end - at);
    updates += (updates.empty() ? "" : ", ") + column + " = excluded." + column;
    at = end + 2;
  }
  TRY(Query rows, from.query("SELECT " + columns + " FROM " + table + " WHERE host = ?", host));
  return for_each(std::move(rows), [&](const Query& row) -> Result<void> {
    TRY(Query insert, to.query("INSERT INTO " + table + " (" + columns + ") VALUES (" + placeholders(count) +
                               ") ON CONFLICT DO UPDATE SET " + updates + " WHERE excluded." + newer + " > " + newer));
    for (int column = 0; column < count; ++column) insert.bind_column(column + 1, row, column);
    CHECK(insert.next());
    return {};
  });
}

}  // namespace

Result<void> copy_run(Connection& from, std::string_view run, Connection& to) {
  TRY(const auto old_key, run_key(from, run));
  if (!old_key) return fail(Errc::absent, "no run " + std::string{run} + " in " + from.path().string());
  const std::string columns = kRunColumns;
  const int count = count_columns(columns);
  std::optional<std::int64_t> new_key;
  {
    TRY(Query facts, from.query("SELECT " + columns + " FROM run WHERE key = ?", *old_key));
    CHECK(facts.next());
    TRY(Query insert, to.query("INSERT INTO run (" + columns + ") VALUES (" + placeholders(count) + ") RETURNING key"));
    for (int column = 0; column < count; ++column) insert.bind_column(column + 1, facts, column);
    CHECK(insert.next());
    new_key = insert.i64(0);
  }
  for (const RunTable& table : kRunTables) CHECK(copy_table(from, *old_key, to, *new_key, table));
  return copy_recent_points(from, *old_key, to, *new_key);
}

Result<std::vector<std::string>> hosts_with_floors(Connection& from) {
  TRY(Query query, from.query("SELECT host FROM floor UNION SELECT host FROM calibration"));
  std::vector<std::string> hosts;
  CHECK(for_each(std::move(query), [&](const Query& row) { hosts.push_back(row.text(0)); }));
  return hosts;
}

Result<void> copy_floors(Connection& from, std::string_view host, Connection& to) {
  CHECK(
      copy_of_host(from, to, host, "floor", "host, device, watts, method, windows, learnt_wall_ns", "learnt_wall_ns"));
  return copy_of_host(from, to, host, "calibration",
                      "host, device, sensor, gain, offset_watts, relative_uncertainty, source, made_wall_ns",
                      "made_wall_ns");
}

}  // namespace everywatt
