// One SQLite file of the ledger: what a Store does, for one file. Writes are
// gathered in memory and written by commit() in one short transaction; reads
// see what is committed, by us or by others. Statements about several files
// (references, merging, which file a run goes to) are folder_store.h's.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/pending.h"
#include "store/run_rows.h"
#include "store/series_rows.h"
#include "store/series_slices.h"
#include "store/sqlite.h"

namespace everywatt {

enum class Journal {
  write_ahead,  // many processes at once, on one host
  rollback,     // safe on network file systems
  as_it_is,     // a file that another ledger owns
};

class LedgerFile {
 public:
  // An absent file is made. A damaged one is set aside and `notices` says so.
  static Result<LedgerFile> open(const std::filesystem::path& path, Journal journal, Nanoseconds now_wall,
                                 std::vector<std::string>& notices);
  LedgerFile(LedgerFile&&) = default;
  LedgerFile& operator=(LedgerFile&&) = default;
  ~LedgerFile();

  // `now_wall` orders an import, which is as new as the moment it was made.
  Result<void> put_run(const Run& run, Nanoseconds now_wall);
  Result<void> append(std::string_view run, RunDelta delta);
  Result<void> clear_entries(std::string_view run);
  Result<void> put_floor(const LearntFloor& floor);
  Result<void> put_calibration(const Calibration& calibration);
  // Returns the sensors that had one. Commits.
  Result<std::vector<std::string>> forget_calibrations(std::string_view host, std::string_view device);
  Result<void> commit();
  Result<void> remove(std::string_view run);

  // Whether the run is ours to write: we have put it here.
  [[nodiscard]] bool writes(std::string_view run) const { return recorded_.contains(run); }
  // Whether the run is here, written or about to be.
  Result<bool> has(std::string_view run);
  Result<RunRecord> read(std::string_view run);
  Result<std::vector<SeriesPoint>> series(std::string_view run, const SeriesKey& key);
  Result<std::vector<SeriesSlice>> slices(std::string_view run, const SeriesKey& key, std::size_t count);
  Result<std::vector<LearntFloor>> floors(std::string_view host);
  Result<std::vector<Calibration>> calibrations(std::string_view host);

  // Copies a run of another file, which must not be here yet; a host's floors and
  // calibrations of another file, where they are newer than ours. Commits.
  Result<void> take_run(Connection& from, std::string_view run);
  Result<void> take_floors(Connection& from, std::string_view host);
  Result<std::size_t> drop_series_before(Nanoseconds wall);

  [[nodiscard]] Connection& connection() { return *db_; }
  [[nodiscard]] bool is_idle() const { return pending_.empty(); }
  // Whether the name has gone to another file and nothing waits to be written to this one.
  [[nodiscard]] bool is_replaced() const;

 private:
  explicit LedgerFile(Connection db);
  Result<void> check_writable() const;
  Result<PendingRun*> pending_of(std::string_view run);
  Result<OpenRun*> open_of(std::string_view run);
  Result<void> in_transaction(const std::function<Result<void>()>& work);
  Result<void> write(const std::map<std::string, SeriesWrite>& series, std::vector<std::string>& vanished);
  Result<std::map<std::string, SeriesWrite>> plan();

  std::unique_ptr<Connection> db_;
  std::uint64_t inode_ = 0;
  Pending pending_;
  std::map<std::string, Nanoseconds, std::less<>> recorded_;  // of runs that were put
  std::map<std::string, OpenRun, std::less<>> open_;          // of runs that have series
  WriterMemory memory_;
  SeriesCache cache_;
};

}  // namespace everywatt
