// Points that do not fill a chunk yet: one row a commit, for all series of a run. They stand in the table
// `recent_points`, whose rows follow one another on pages of their own. Up to version 6 they stood in `tail`, into
// which an everywatt of then that goes on still writes.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/result.h"
#include "store/sqlite.h"

namespace everywatt {

// Whether there are any of the run.
Result<bool> has_point_rows(Connection& db, std::int64_t run);

// The last rows that were read; 0: there were none.
struct PointRows {
  std::int64_t in_tail = 0;  // `number`
  std::int64_t recent = 0;   // `place`
};

// Calls `take` with each row of the run in the order of time; stops at what it returns other than success.
Result<PointRows> visit_point_rows(Connection& db, std::int64_t run,
                                   const std::function<Result<void>(std::string_view)>& take);

Result<void> append_point_row(Connection& db, std::int64_t run, std::string_view data);

// Those up to `last`: who appends meanwhile keeps his.
Result<void> delete_point_rows(Connection& db, std::int64_t run, const PointRows& last);
// All of the table `recent_points`; those of `tail` go with the tables whose rows have a column `run`.
Result<void> delete_recent_points(Connection& db, std::int64_t run);
Result<void> copy_recent_points(Connection& from, std::int64_t old_run, Connection& to, std::int64_t new_run);

}  // namespace everywatt
