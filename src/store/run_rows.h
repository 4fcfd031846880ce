// The rows of a run but its series: written within a transaction of the
// caller, read within one of its own.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/run.h"
#include "store/name_numbers.h"
#include "store/pending.h"
#include "store/recent.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/written.h"

namespace everywatt {

// The key of the run's rows; none: not in this file.
Result<std::optional<std::int64_t>> run_key(Connection& db, std::string_view id);

// What a writer remembers of its file, from commit to commit.
struct WriterMemory {
  NameNumbers names;
  Written written;
  Recents recents;
  // After a transaction that was rolled back.
  void forget() {
    names.forget();
    written.forget();
    recents.forget();
  }
};

// All that is pending of a run but its series; returns its key. None: the run is not in this file, and no facts of it
// are pending. `recorded_wall` orders the runs of a ledger and is kept from the first insertion on.
Result<std::optional<std::int64_t>> write_run(Connection& db, WriterMemory& memory, std::string_view id,
                                              const PendingRun& pending, Nanoseconds recorded_wall);

// To the run's own row. False: it is gone.
Result<bool> put_moving_facts(Connection& db, std::int64_t run, const MovingFacts& facts);

// What its devices drew, and for whom (books_write.cc).
Result<void> put_books(Connection& db, WriterMemory& memory, std::int64_t run, const PendingRun& pending);
// The same, and of the facts what moves, into the row of `recent` that is there. False: what is pending is more than
// that, or the row is full, or gone: another process took the run for lost and wrote it into the tables, or removed it.
Result<bool> put_recent(Connection& db, WriterMemory& memory, std::int64_t run, const PendingRun& pending);

Result<void> delete_run(Connection& db, std::int64_t run);

// All names of a run by number.
Result<std::map<std::int64_t, std::string>> names_of(Connection& db, std::int64_t run);

Result<RunRecord> read_run(Connection& db, std::string_view id);

// Of a row whose first column is the run's id. Errc::malformed: no such status.
Result<RunStatus> read_status(const Query& row, int column);

// Runs of a file and what orders them, in two lists of equal length: a summary
// is large, and ten thousand are not moved twice. With a limit the newest, in
// order; without one all, last inserted first, which is nearly in order and
// read in one pass over the file.
struct ListedRuns {
  std::vector<RunSummary> runs;
  std::vector<Nanoseconds> recorded_wall;
  std::vector<std::string> damaged;  // what is wrong with runs that cannot be listed, one line each
};
// Appends, not within a transaction of the caller (run_list.cc).
Result<void> list_runs(Connection& db, const RunFilter& filter, ListedRuns& listed);

// Runs that a reference names in this file, newest first; at most a few.
struct FoundRun {
  std::string id;
  Nanoseconds recorded_wall = 0;
};
Result<std::vector<FoundRun>> runs_called(Connection& db, std::string_view name);       // the newest only
Result<std::vector<FoundRun>> runs_beginning(Connection& db, std::string_view prefix);  // of the id
Result<std::vector<FoundRun>> newest_run(Connection& db);

}  // namespace everywatt
