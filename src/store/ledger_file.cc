#include "store/ledger_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>

#include "store/copy_rows.h"
#include "store/file_opening.h"
#include "store/schema.h"

namespace everywatt {
namespace {

// A log of this many pages is folded into the file by whoever commits next
// (SQLite's own default), and one of this many by whoever closes the file:
// opening it again reads the whole log, 2 µs a page, and folding it takes 1 to 2 ms
// of waiting for the disk; a short run writes some 45 pages.
constexpr int kLogPages = 1000;
constexpr int kLogPagesAtClose = 192;

// Readers and other writers go on meanwhile; what cannot be folded in now stays in the log.
void fold_log(Connection& db, int from_pages) {
  if (db.log_pages() >= from_pages) (void)db.number("PRAGMA wal_checkpoint(PASSIVE)");
}

// Each track goes on where it ends in the file, or in what waits for it.
Result<void> check_times(std::string_view run, const RunDelta::Series& series, const OpenRun& open,
                         const PointsByDevice& pending) {
  const auto in_file = open.find(series.device);
  const auto waiting = pending.find(series.device);
  for (const Track track : kTracks) {
    std::optional<Nanoseconds> last;
    if (in_file != open.end()) last = in_file->second[track].last;
    if (waiting != pending.end() && !waiting->second[track].empty()) last = waiting->second[track].back().time;
    for (const SeriesPoint& point : series.points[track]) {
      if (last && point.time <= *last) {
        return fail(Errc::misuse, "run " + std::string{run} + ": the times of " + series.device + " " +
                                      std::string{to_string(track)} + " do not ascend");
      }
      last = point.time;
    }
  }
  return {};
}

bool is_empty(const RunDelta::Series& series) {
  return std::ranges::all_of(series.points.of_all, [](const auto& points) { return points.empty(); });
}

// 0: no such file.
std::uint64_t inode_of(const std::filesystem::path& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

Result<void> write_floors(Connection& db, const Pending& pending) {
  for (const auto& [key, floor] : pending.floors) {
    CHECK(
        db.run("INSERT OR REPLACE INTO floor (host, device, watts, method, windows, learnt_wall_ns) "
               "VALUES (?, ?, ?, ?, ?, ?)",
               floor.host, floor.device, floor.watts, floor.method, floor.windows, floor.learnt_wall));
  }
  for (const auto& [key, c] : pending.calibrations) {
    CHECK(
        db.run("INSERT OR REPLACE INTO calibration (host, device, sensor, gain, offset_watts, relative_uncertainty, "
               "source, made_wall_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
               c.host, c.device, c.sensor, c.gain, c.offset_watts, c.relative_uncertainty, c.source, c.made_wall));
  }
  return {};
}

}  // namespace

Result<LedgerFile> LedgerFile::open(const std::filesystem::path& path, Journal journal, Nanoseconds now_wall,
                                    std::vector<std::string>& notices) {
  TRY(Connection db, open_ledger_database(path, journal, now_wall, notices));
  return LedgerFile{std::move(db)};
}

LedgerFile::LedgerFile(Connection db)
    : db_{std::make_unique<Connection>(std::move(db))}, inode_{inode_of(db_->path())} {}

bool LedgerFile::is_replaced() const { return pending_.empty() && inode_of(db_->path()) != inode_; }

LedgerFile::~LedgerFile() {
  if (!db_ || db_->log_pages() < kLogPagesAtClose) return;
  // Emptied, not only folded in: who opens the file next would read a folded log
  // all the same. Where others are at it, it is left to them.
  (void)db_->number("PRAGMA busy_timeout = 0");
  (void)db_->number("PRAGMA wal_checkpoint(TRUNCATE)");
}

Result<void> LedgerFile::check_writable() const {
  if (!db_->is_read_only()) return {};
  const std::string where = db_->path().string();
  return fail(Errc::denied, "write " + where +
                                ": it may only be read: make it and its folder writable, or set "
                                "EVERYWATT_DB to a file that is");
}

Result<void> LedgerFile::put_run(const Run& run, Nanoseconds now_wall) {
  CHECK(check_writable());
  recorded_.try_emplace(run.id, run.origin == "import" ? now_wall : run.started.wall);
  pending_.runs[run.id].facts = run;
  return {};
}

Result<PendingRun*> LedgerFile::pending_of(std::string_view run) {
  CHECK(check_writable());
  if (const auto found = pending_.runs.find(run); found != pending_.runs.end()) return &found->second;
  TRY(const bool known, writes(run) ? Result<bool>{true} : has(run));
  if (!known) return fail(Errc::absent, "no run " + std::string{run} + " in " + db_->path().string());
  return &pending_.runs[std::string{run}];
}

Result<OpenRun*> LedgerFile::open_of(std::string_view run) {
  if (const auto found = open_.find(run); found != open_.end()) return &found->second;
  OpenRun open;
  TRY(const auto key, run_key(*db_, run));
  if (key) {
    TRY(open, open_series(*db_, *key));
  }
  return &open_.emplace(std::string{run}, std::move(open)).first->second;
}

Result<void> LedgerFile::append(std::string_view run, RunDelta delta) {
  TRY(PendingRun* const pending, pending_of(run));
  std::size_t more = 0;
  if (!delta.series.empty()) {
    TRY(const OpenRun* const open, open_of(run));
    for (const RunDelta::Series& series : delta.series) {
      CHECK(check_times(run, series, *open, pending->series));
      for (const auto& points : series.points.of_all) more += points.size();
    }
  }
  pending->take(delta);
  if (pending_.points > 0 && pending_.points + more > Pending::kMostPoints) {
    return fail(Errc::io, "run " + std::string{run} + ": the points of this second are not kept, too many wait for " +
                              db_->path().string() + " to be writable");
  }
  for (RunDelta::Series& series : delta.series) {
    if (!is_empty(series)) everywatt::append(std::move(series.points), pending->series[series.device]);
  }
  pending_.points += more;
  return {};
}

Result<void> LedgerFile::clear_entries(std::string_view run) {
  TRY(PendingRun* const pending, pending_of(run));
  pending->clears_entries = true;
  pending->entries.clear();
  return {};
}

Result<void> LedgerFile::put_floor(const LearntFloor& floor) {
  CHECK(check_writable());
  pending_.floors[{floor.host, floor.device}] = floor;
  return {};
}

Result<void> LedgerFile::put_calibration(const Calibration& calibration) {
  CHECK(check_writable());
  pending_.calibrations[{calibration.host, calibration.device, calibration.sensor}] = calibration;
  return {};
}

Result<std::vector<std::string>> LedgerFile::forget_calibrations(std::string_view host, std::string_view device) {
  CHECK(commit());
  TRY(auto all, calibrations(host));
  std::vector<std::string> sensors;
  for (Calibration& one : all) {
    if (one.device == device) sensors.push_back(std::move(one.sensor));
  }
  if (sensors.empty()) return sensors;
  CHECK(check_writable());
  CHECK(
      in_transaction([&] { return db_->run("DELETE FROM calibration WHERE host = ? AND device = ?", host, device); }));
  return sensors;
}

Result<std::map<std::string, SeriesWrite>> LedgerFile::plan() {
  std::map<std::string, SeriesWrite> writes;
  for (const auto& [id, run] : pending_.runs) {
    const RunEnd end = run.is_over() ? RunEnd::ended : RunEnd::open;
    if (run.series.empty() && end == RunEnd::open) continue;
    TRY(const OpenRun* const open, open_of(id));
    TRY(SeriesWrite write, plan_series(*db_, id, *open, run.series, end));
    writes.emplace(id, std::move(write));
  }
  return writes;
}

Result<void> LedgerFile::write(const std::map<std::string, SeriesWrite>& series, std::vector<std::string>& vanished) {
  for (const auto& [id, run] : pending_.runs) {
    TRY(const auto key, write_run(*db_, memory_, id, run, run.facts ? recorded_.at(id) : 0));
    if (!key) {
      vanished.push_back(id);
      continue;
    }
    if (const auto write = series.find(id); write != series.end())
      CHECK(write_series(*db_, memory_.names, *key, write->second, run.series));
  }
  return write_floors(*db_, pending_);
}

Result<void> LedgerFile::in_transaction(const std::function<Result<void>()>& work) {
  CHECK(db_->run("BEGIN IMMEDIATE"));
  auto done = work();
  if (done) done = db_->run("COMMIT");
  if (!done) {
    (void)db_->execute("ROLLBACK");  // fails where SQLite has rolled back on its own
    memory_.forget();
  }
  return done;
}

Result<void> LedgerFile::commit() {
  if (pending_.empty()) return {};
  TRY(auto series, plan());
  std::vector<std::string> vanished;
  CHECK(in_transaction([&] { return write(series, vanished); }));
  for (auto& [id, write] : series) note_written(open_[id], std::move(write), pending_.runs.at(id).series);
  pending_ = {};
  fold_log(*db_, kLogPages);
  if (vanished.empty()) return {};
  return fail(Errc::absent, "run " + vanished.front() + " was removed while it was being written");
}

Result<void> LedgerFile::remove(std::string_view run) {
  CHECK(check_writable());
  pending_.forget(run);
  open_.erase(std::string{run});
  recorded_.erase(std::string{run});
  CHECK(commit());
  return in_transaction([&]() -> Result<void> {
    TRY(const auto key, run_key(*db_, run));
    if (!key) return fail(Errc::absent, "no run " + std::string{run} + " in " + db_->path().string());
    return delete_run(*db_, *key);
  });
}

Result<void> LedgerFile::take_run(Connection& from, std::string_view run) {
  CHECK(check_writable());
  CHECK(commit());
  TRY(const Snapshot snapshot, Snapshot::take(from));
  return in_transaction([&] { return copy_run(from, run, *db_); });
}

Result<void> LedgerFile::take_floors(Connection& from, std::string_view host) {
  CHECK(check_writable());
  CHECK(commit());
  TRY(const Snapshot snapshot, Snapshot::take(from));
  return in_transaction([&] { return copy_floors(from, host, *db_); });
}

Result<bool> LedgerFile::has(std::string_view run) {
  if (const auto found = pending_.runs.find(run); found != pending_.runs.end() && found->second.facts) return true;
  TRY(const auto key, run_key(*db_, run));
  return key.has_value();
}

Result<RunRecord> LedgerFile::read(std::string_view run) {
  TRY(const Snapshot snapshot, Snapshot::take(*db_));
  return read_run(*db_, run);
}

Result<std::vector<SeriesPoint>> LedgerFile::series(std::string_view run, const SeriesKey& key) {
  TRY(const Snapshot snapshot, Snapshot::take(*db_));
  TRY(const auto number, run_key(*db_, run));
  if (!number) return fail(Errc::absent, "no run " + std::string{run} + " in " + db_->path().string());
  return read_series(*db_, *number, key);
}

Result<std::vector<SeriesSlice>> LedgerFile::slices(std::string_view run, const SeriesKey& key, std::size_t count) {
  TRY(const Snapshot snapshot, Snapshot::take(*db_));
  TRY(const auto number, run_key(*db_, run));
  if (!number) return fail(Errc::absent, "no run " + std::string{run} + " in " + db_->path().string());
  TRY(const auto first, first_chunk(*db_, *number, key));
  DecodedSeries short_one;
  DecodedSeries& decoded = first ? cache_.series({*number, key}, *first) : short_one;
  const auto after = decoded.empty() ? std::nullopt : std::optional{decoded.last()};
  TRY(const auto fresh, read_series(*db_, *number, key, after));
  decoded.append(fresh);
  return decoded.slices(count);
}

Result<std::vector<LearntFloor>> LedgerFile::floors(std::string_view host) {
  TRY(Query query, db_->query("SELECT host, device, watts, method, windows, learnt_wall_ns FROM floor "
                              "WHERE host = ? ORDER BY device",
                              host));
  std::vector<LearntFloor> floors;
  CHECK(for_each(std::move(query), [&](const Query& row) {
    floors.push_back({.host = row.text(0),
                      .device = row.text(1),
                      .watts = row.real(2),
                      .method = row.text(3),
                      .windows = row.u64(4),
                      .learnt_wall = row.i64(5)});
  }));
  return floors;
}

Result<std::vector<Calibration>> LedgerFile::calibrations(std::string_view host) {
  TRY(Query query, db_->query("SELECT host, device, sensor, gain, offset_watts, relative_uncertainty, source, "
                              "made_wall_ns FROM calibration WHERE host = ? ORDER BY device, sensor",
                              host));
  std::vector<Calibration> calibrations;
  CHECK(for_each(std::move(query), [&](const Query& row) {
    calibrations.push_back({.host = row.text(0),
                            .device = row.text(1),
                            .sensor = row.text(2),
                            .gain = row.real(3),
                            .offset_watts = row.real(4),
                            .relative_uncertainty = row.real(5),
                            .source = row.text(6),
                            .made_wall = row.i64(7)});
  }));
  return calibrations;
}

Result<std::size_t> LedgerFile::drop_series_before(Nanoseconds wall) {
  CHECK(check_writable());
  CHECK(commit());
  std::size_t touched = 0;
  CHECK(in_transaction([&]() -> Result<void> {
    TRY(touched, delete_series_before(*db_, wall));
    return {};
  }));
  open_.clear();
  return touched;
}

}  // namespace everywatt
