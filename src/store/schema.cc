#include "store/schema.h"

#include <string>
#include <string_view>

namespace everywatt {
namespace {

constexpr const char* kVersion1 = R"(
CREATE TABLE run (
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  recorded_wall_ns INTEGER NOT NULL,
  name TEXT NOT NULL,
  project TEXT NOT NULL,
  model TEXT NOT NULL,
  model_version TEXT NOT NULL,
  origin TEXT NOT NULL,
  status TEXT NOT NULL,
  parent TEXT,
  command TEXT NOT NULL,
  exit_status INTEGER,
  ended_by TEXT,
  started_ns INTEGER NOT NULL,
  started_wall_ns INTEGER NOT NULL,
  ended_ns INTEGER,
  ended_wall_ns INTEGER,
  tags TEXT NOT NULL,
  metrics TEXT NOT NULL,
  boundary TEXT NOT NULL,
  host TEXT NOT NULL,
  cpu_ns INTEGER NOT NULL,
  peak_memory_bytes INTEGER,
  disk_read_bytes INTEGER,
  disk_written_bytes INTEGER,
  network TEXT NOT NULL,
  usage_method TEXT NOT NULL,
  overhead_cpu_ns INTEGER NOT NULL,
  overhead_peak_rss_bytes INTEGER NOT NULL,
  marks_dropped INTEGER NOT NULL,
  supervisor_pid INTEGER NOT NULL,
  supervisor_start_ticks INTEGER NOT NULL,
  supervisor_boot_id TEXT NOT NULL,
  notices TEXT NOT NULL,
  environment TEXT NOT NULL,
  total_uj INTEGER,
  booked_uj INTEGER
);
CREATE INDEX run_recorded ON run (recorded_wall_ns);
CREATE INDEX run_name ON run (name, recorded_wall_ns);
CREATE TABLE name (
  run INTEGER NOT NULL,
  text TEXT NOT NULL,
  number INTEGER NOT NULL,
  PRIMARY KEY (run, text)
) WITHOUT ROWID;
CREATE UNIQUE INDEX name_number ON name (run, number);
CREATE TABLE device (
  run INTEGER NOT NULL,
  name INTEGER NOT NULL,
  kind TEXT NOT NULL,
  model TEXT NOT NULL,
  parent TEXT,
  follows TEXT NOT NULL,
  cpus TEXT NOT NULL,
  includes_memory INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  method TEXT,
  sensor TEXT NOT NULL,
  correlation TEXT NOT NULL,
  measured_uj INTEGER,
  uncertainty_random_uj INTEGER NOT NULL,
  uncertainty_systematic_uj INTEGER NOT NULL,
  observed_ns INTEGER NOT NULL,
  busy_ns INTEGER NOT NULL,
  reserved_ns INTEGER NOT NULL,
  utilisation_known INTEGER NOT NULL,
  flags TEXT NOT NULL,
  reason TEXT,
  PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE device_sum (
  run INTEGER NOT NULL,
  name INTEGER NOT NULL,
  charged_uj INTEGER NOT NULL,
  booked_uj INTEGER NOT NULL,
  PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE entry (
  run INTEGER NOT NULL,
  device INTEGER NOT NULL,
  phase INTEGER NOT NULL,
  account INTEGER NOT NULL,
  minute INTEGER NOT NULL,
  energy_uj INTEGER NOT NULL,
  PRIMARY KEY (run, minute, device, phase, account)
) WITHOUT ROWID;
CREATE TABLE phase (
  run INTEGER NOT NULL,
  name INTEGER NOT NULL,
  count INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE gap (
  run INTEGER NOT NULL,
  device INTEGER NOT NULL,
  started_wall_ns INTEGER NOT NULL,
  length_ns INTEGER NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX gap_run ON gap (run);
CREATE TABLE chunk (
  run INTEGER NOT NULL,
  device INTEGER NOT NULL,
  track INTEGER NOT NULL,
  first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL,
  points INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (run, device, track, first_ns)
);
CREATE TABLE tail (
  run INTEGER NOT NULL,
  number INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
CREATE TABLE floor (
  host TEXT NOT NULL,
  device TEXT NOT NULL,
  watts REAL NOT NULL,
  method TEXT NOT NULL,
  windows INTEGER NOT NULL,
  learnt_wall_ns INTEGER NOT NULL,
  PRIMARY KEY (host, device)
) WITHOUT ROWID;
CREATE TABLE calibration (
  host TEXT NOT NULL,
  device TEXT NOT NULL,
  sensor TEXT NOT NULL,
  gain REAL NOT NULL,
  offset_watts REAL NOT NULL,
  relative_uncertainty REAL NOT NULL,
  source TEXT NOT NULL,
  made_wall_ns INTEGER NOT NULL,
  PRIMARY KEY (host, device, sensor)
) WITHOUT ROWID;
)";

constexpr const char* kVersion2 = R"(
CREATE TABLE quantity (
  run INTEGER NOT NULL,
  device INTEGER NOT NULL,
  name INTEGER NOT NULL,
  unit TEXT NOT NULL,
  mean REAL,
  least REAL,
  most REAL,
  total REAL,
  sampled INTEGER NOT NULL,
  observed_ns INTEGER NOT NULL,
  reason TEXT,
  PRIMARY KEY (run, device, name)
) WITHOUT ROWID;
)";

constexpr const char* kVersion3 = R"(
CREATE TABLE cross_check (
  run INTEGER NOT NULL,
  device INTEGER NOT NULL,
  sensor TEXT NOT NULL,
  ratio REAL NOT NULL,
  over_ns INTEGER NOT NULL,
  PRIMARY KEY (run, device, sensor)
) WITHOUT ROWID;
CREATE TABLE rank (
  run INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  waited_ns INTEGER NOT NULL,
  waited_on_others_ns INTEGER NOT NULL,
  energy_uj INTEGER NOT NULL,
  waited_uj INTEGER NOT NULL,
  caused_uj INTEGER NOT NULL,
  lateness REAL NOT NULL,
  late_share REAL NOT NULL,
  PRIMARY KEY (run, pid)
) WITHOUT ROWID;
CREATE TABLE work (
  run INTEGER NOT NULL,
  what TEXT NOT NULL,
  amount REAL NOT NULL,
  PRIMARY KEY (run, what)
) WITHOUT ROWID;
CREATE TABLE span (
  run INTEGER NOT NULL,
  number INTEGER NOT NULL,
  phase INTEGER NOT NULL,
  process INTEGER NOT NULL,
  begin_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  energy_uj INTEGER NOT NULL,
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
)";

constexpr const char* kVersion4 = R"(
CREATE TABLE phase_work (
  run INTEGER NOT NULL,
  phase INTEGER NOT NULL,
  what TEXT NOT NULL,
  amount REAL NOT NULL,
  PRIMARY KEY (run, phase, what)
) WITHOUT ROWID;
CREATE TABLE phase_quantity (
  run INTEGER NOT NULL,
  phase INTEGER NOT NULL,
  device INTEGER NOT NULL,
  name INTEGER NOT NULL,
  sum REAL NOT NULL,
  observed_ns INTEGER NOT NULL,
  resolved_ns INTEGER NOT NULL,
  PRIMARY KEY (run, phase, device, name)
) WITHOUT ROWID;
)";

constexpr const char* kVersion5 = R"(
CREATE TABLE correction (
  run INTEGER NOT NULL,
  device INTEGER NOT NULL,
  sensor TEXT NOT NULL,
  gain REAL NOT NULL,
  offset_watts REAL NOT NULL,
  PRIMARY KEY (run, device, sensor)
) WITHOUT ROWID;
)";

constexpr const char* kVersion6 = R"(
CREATE TABLE recent (
  run INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);
)";

constexpr const char* kVersion7 = R"(
CREATE TABLE recent_points (
  place INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);
)";

constexpr std::array kMigrations = {kVersion1, kVersion2, kVersion3, kVersion4, kVersion5, kVersion6, kVersion7};

Result<void> refuse_foreign(Connection& db) {
  TRY(const auto id, db.number("PRAGMA application_id"));
  if (id == kApplicationId) return {};
  TRY(const auto tables, db.number("SELECT count(*) FROM sqlite_schema"));
  if (id == 0 && tables == 0) return {};
  return fail(Errc::misuse, db.path().string() + " is a database of another program: set EVERYWATT_DB to another file");
}

Result<void> climb(Connection& db, std::span<const char* const> steps) {
  TRY(const auto version, db.number("PRAGMA user_version"));  // another process may have been first
  for (std::size_t step = static_cast<std::size_t>(version.value_or(0)); step < steps.size(); ++step) {
    CHECK(db.execute(steps[step]));
  }
  CHECK(db.execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str()));
  return db.execute(("PRAGMA user_version = " + std::to_string(steps.size())).c_str());
}

// A file that may only be read stays as it is: what newer versions added is empty, and lies in memory.
Result<void> climb_in_memory(Connection& db, std::span<const char* const> steps) {
  constexpr std::string_view kCreate = "CREATE TABLE", kCreateHere = "CREATE TEMP TABLE";
  for (const char* step : steps) {
    std::string sql = step;
    for (std::size_t at = 0; (at = sql.find(kCreate, at)) != sql.npos; at += kCreateHere.size())
      sql.replace(at, kCreate.size(), kCreateHere);
    CHECK(db.execute(sql.c_str()));
  }
  return {};
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

Result<void> migrate(Connection& db, std::span<const char* const> steps) {
  CHECK(refuse_foreign(db));
  TRY(const auto version, db.number("PRAGMA user_version"));
  const auto here = static_cast<std::int64_t>(steps.size());
  if (version.value_or(0) > here) {
    return fail(Errc::io, db.path().string() + " was written by a newer everywatt (format " + std::to_string(*version) +
                              ", this one knows " + std::to_string(here) +
                              "): use that one, or set EVERYWATT_DB to another file");
  }
  if (version == here) return {};
  if (db.is_read_only() && version.value_or(0) > 0)
    return climb_in_memory(db, steps.subspan(static_cast<std::size_t>(*version)));
  CHECK(db.execute("BEGIN IMMEDIATE"));
  auto climbed = climb(db, steps);
  if (climbed) climbed = db.execute("COMMIT");
  if (!climbed) (void)db.execute("ROLLBACK");
  return climbed;
}

}  // namespace everywatt
