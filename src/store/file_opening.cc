#include "store/file_opening.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/file.h"
#include "store/schema.h"

namespace everywatt {
namespace {

// To open a ledger that others find damaged and set aside at the same time.
constexpr int kMostAttempts = 10;

// Commits need not wait for the disk: the log is written in order, so a power
// cut costs the last seconds, never consistency (sqlite.org/pragma.html#pragma_synchronous).
constexpr const char* kSynchronous = "PRAGMA synchronous = NORMAL";

std::filesystem::path beside(const std::filesystem::path& path, std::string_view suffix) {
  return path.string() + std::string{suffix};
}

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

// Renames unless the new name is taken: 0, or errno.
int move_to_free_name(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // File systems without that flag (NFS) have hard links.
  if (::link(from.c_str(), to.c_str()) != 0) return errno;
  ::unlink(from.c_str());
  return 0;
}

// A whole, empty ledger under a name of its own, then moved into place: nobody
// ever opens half a schema, and of many makers one wins.
Result<void> make_database(const std::filesystem::path& path, Journal journal) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) return fail_errno(error.value(), "make the folder " + path.parent_path().string());
  const auto draft = beside(path, ".new-" + std::to_string(::getpid()));
  ::unlink(draft.c_str());
  auto made = [&]() -> Result<void> {
    TRY(Connection db, Connection::open(draft, Connection::Access::create));
    CHECK(db.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF"));
    CHECK(migrate(db, migrations()));
    if (journal == Journal::write_ahead) CHECK(db.execute("PRAGMA journal_mode = WAL"));
    return {};
  }();
  int moved = 0;
  if (made) moved = move_to_free_name(draft, path);
  for (const char* suffix : {"", "-wal", "-shm"}) ::unlink(beside(draft, suffix).c_str());
  if (!made) return made;
  if (moved != 0 && moved != EEXIST) return fail_errno(moved, "make " + path.string());
  return {};
}

// The first page says how many there are; a file that was cut short has less.
// What the write-ahead log still holds may be missing from the file.
Result<void> check_length(Connection& db) {
  TRY(const auto pages, db.number("PRAGMA page_count"));
  TRY(const auto page_size, db.number("PRAGMA page_size"));
  std::error_code error;
  const auto size = std::filesystem::file_size(db.path(), error);
  const auto log = std::filesystem::file_size(beside(db.path(), "-wal"), error);
  const bool has_log = !error && log > 0;
  if (has_log || static_cast<std::int64_t>(size) >= pages.value_or(0) * page_size.value_or(0)) return {};
  return fail(Errc::malformed, db.path().string() + " is damaged: it was cut short");
}

// The root of every table: a page that is not what it should be shows here.
Result<void> touch_tables(Connection& db) {
  CHECK(db.number("SELECT 1 FROM run LIMIT 1"));
  for (const RunTable& table : kRunTables) {
    CHECK(db.number("SELECT 1 FROM " + std::string{table.name} + " LIMIT 1"));
  }
  CHECK(db.number("SELECT 1 FROM recent_points LIMIT 1"));
  CHECK(db.number("SELECT 1 FROM floor LIMIT 1"));
  CHECK(db.number("SELECT 1 FROM calibration LIMIT 1"));
  return {};
}

Result<void> use_journal(Connection& db, Journal journal) {
  if (journal == Journal::as_it_is) return {};
  const bool ahead = journal == Journal::write_ahead;
  {
    TRY(Query mode, db.query("PRAGMA journal_mode"));
    CHECK(mode.next());
    if (mode.view(0) == (ahead ? "wal" : "delete")) return {};
  }
  // Refused while others have the file open; then it stays what it is until they are gone.
  (void)db.execute(ahead ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = DELETE");
  return {};
}

Result<void> make_ready(Connection& db, Journal journal) {
  CHECK(migrate(db, migrations()));
  CHECK(check_length(db));
  CHECK(touch_tables(db));
  if (db.is_read_only()) return {};
  CHECK(db.execute(kSynchronous));
  return use_journal(db, journal);
}

Result<Connection> open_ready(const std::filesystem::path& path, Journal journal, std::vector<std::string>& notices) {
  TRY(Connection db, Connection::open(path, Connection::Access::read_write));
  auto ready = make_ready(db, journal);
  if (ready) return db;
  const bool refused = ready.error().code == Errc::denied || ready.error().code == Errc::io;
  if (!refused || !db.is_read_only()) return std::unexpected{std::move(ready).error()};
  // A write-ahead log wants a writable folder even to be read; where nobody can write, nothing can change either.
  TRY(Connection frozen, Connection::open(path, Connection::Access::read_only, Connection::Medium::immutable));
  CHECK(make_ready(frozen, journal));
  std::error_code error;
  if (std::filesystem::file_size(beside(path, "-wal"), error) > 0 && !error) {
    notices.push_back(path.string() + " may only be read, and not its log: what was written last is not seen");
  }
  return frozen;
}

bool is_damaged(const std::filesystem::path& path, Journal journal) {
  std::vector<std::string> ignored;
  const auto db = open_ready(path, journal, ignored);
  return !db && db.error().code == Errc::malformed;
}

// A path mistyped leads to somebody's file, and that is never moved: only a
// file that begins as a database of ours, or one whose name says database.
bool may_be_a_ledger(const std::filesystem::path& path) {
  constexpr std::string_view kMagic = "SQLite format 3";
  constexpr std::size_t kApplicationIdAt = 68;  // sqlite.org/fileformat.html, big-endian
  const std::string extension = path.extension().string();
  if (extension == ".db" || extension == ".sqlite" || extension == ".sqlite3") return true;
  std::array<unsigned char, 100> head{};
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file || ::pread(file.get(), head.data(), head.size(), 0) < static_cast<ssize_t>(head.size())) return false;
  std::int64_t id = 0;
  for (std::size_t i = 0; i < 4; ++i) id = id << 8 | head[kApplicationIdAt + i];
  return id == kApplicationId && std::memcmp(head.data(), kMagic.data(), kMagic.size()) == 0;
}

// The damaged file and what belongs to it get another name; returns it. Of
// several processes that find it so, one moves it and the others return "":
// under the lock, the file that has the name is looked at again.
Result<std::string> set_aside(const std::filesystem::path& path, Journal journal, Nanoseconds now_wall) {
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return errno == ENOENT ? Result<std::string>{""} : fail_errno(errno, "set aside " + path.string());
  ::flock(file.get(), LOCK_EX);
  struct stat ours{}, named{};
  if (::fstat(file.get(), &ours) != 0 || ::stat(path.c_str(), &named) != 0 || ours.st_ino != named.st_ino) return "";
  if (!is_damaged(path, journal)) return "";
  std::string time = iso_time(now_wall);
  std::erase_if(time, [](char c) { return c == ':' || c == '.'; });
  const std::string name = path.string() + ".damaged-" + time;
  std::string free = name;
  for (int next = 2; is_there(free) && next < 1000; ++next) free = name + "-" + std::to_string(next);
  // What belongs to it goes first: once the name is free others begin a new ledger there, whose log is not to be taken.
  for (const char* suffix : {"-wal", "-shm", "-journal"}) (void)move_to_free_name(beside(path, suffix), free + suffix);
  if (const int moved = move_to_free_name(path, free); moved != 0)
    return fail_errno(moved, "set aside " + path.string());
  return free;
}

}  // namespace

Result<Connection> open_ledger_database(const std::filesystem::path& path, Journal journal, Nanoseconds now_wall,
                                        std::vector<std::string>& notices) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(Errc::misuse, path.string() + " is a folder, not a ledger");
  for (int attempt = 0;; ++attempt) {
    if (!is_there(path)) CHECK(make_database(path, journal));
    auto db = open_ready(path, journal, notices);
    if (db || attempt == kMostAttempts) return db;
    if (!is_there(path)) continue;  // set aside by another in between
    if (db.error().code != Errc::malformed) return db;
    const std::string why = db.error().what;
    if (!may_be_a_ledger(path))
      return fail(Errc::misuse, path.string() + " is no ledger of everywatt: set EVERYWATT_DB to another file");
    TRY(const std::string name, set_aside(path, journal, now_wall));
    if (!name.empty()) notices.push_back(why + "; it was set aside as " + name + " and a new ledger begun");
  }
}

Result<Connection> open_foreign_database(const std::filesystem::path& path) {
  if (!is_there(path)) return fail(Errc::absent, "no ledger at " + path.string());
  std::vector<std::string> ignored;
  return open_ready(path, Journal::as_it_is, ignored);
}

}  // namespace everywatt
