#include "store/sqlite.h"

#include <sqlite3.h>

#include <cerrno>
#include <system_error>

namespace everywatt {
namespace {

// Writers hold the lock for the length of one commit; who cannot get it for
// this long tries again a second later.
constexpr int kBusyMilliseconds = 2000;

std::string advice(const std::filesystem::path& path) {
  return "make " + path.string() + " and its folder writable, or set EVERYWATT_DB to a file that is";
}

std::unexpected<Error> fail_sqlite(sqlite3* db, int code, const std::filesystem::path& path) {
  const int error = db ? sqlite3_system_errno(db) : 0;
  const std::string where = path.string();
  switch (code & 0xff) {
    case SQLITE_FULL:
      return fail(Errc::io, "write " + where + ": the disk is full: free some space");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return fail(Errc::malformed, where + " is damaged: " + sqlite3_errstr(code));
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return fail(Errc::denied, "write " + where + ": it may only be read: " + advice(path));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail(Errc::io, where + " is in use by another program: try again");
    case SQLITE_CANTOPEN:
      if (error == EACCES || error == EROFS || error == EPERM)
        return fail(Errc::denied,
                    "open " + where + ": " + std::generic_category().message(error) + ": " + advice(path));
      break;
    case SQLITE_IOERR:
      // The system's reason is not always passed on; a write that fails without one met a quota or a limit.
      if (error == ENOSPC || error == EDQUOT || error == EFBIG || (code == SQLITE_IOERR_WRITE && error == 0))
        return fail(Errc::io, "write " + where + ": no space left for it: free some space or raise the quota");
      break;
    default:
      break;
  }
  std::string why = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  if (error != 0) why += " (" + std::generic_category().message(error) + ")";
  return fail(Errc::io, where + ": " + why);
}

sqlite3_destructor_type lifetime_of(Query::Bound how) {
  return how == Query::Bound::copied ? SQLITE_TRANSIENT : SQLITE_STATIC;
}

// Nobody asks SQLite how much memory it holds, and each allocation would lock and add up for it.
void count_no_memory() {
  static const int kDone = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  (void)kDone;
}

}  // namespace

Query::~Query() {
  if (!statement_) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Result<bool> Query::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail_sqlite(db_, sqlite3_extended_errcode(db_), *path_);
}

bool Query::null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::int64_t Query::i64(int column) const { return sqlite3_column_int64(statement_, column); }
double Query::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Query::view(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  if (!bytes) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::optional<std::int64_t> Query::maybe_i64(int column) const {
  return null(column) ? std::nullopt : std::optional{i64(column)};
}

std::optional<double> Query::maybe_real(int column) const {
  return null(column) ? std::nullopt : std::optional{real(column)};
}

std::optional<std::string> Query::maybe_text(int column) const {
  return null(column) ? std::nullopt : std::optional{text(column)};
}

// Binding fails only on an index that the statement lacks: a bug, shown by every test of that statement.
void Query::bind(int index, std::int64_t value) { sqlite3_bind_int64(statement_, index, value); }
void Query::bind(int index, double value) { sqlite3_bind_double(statement_, index, value); }
void Query::bind(int index, std::string_view value) {
  const char* bytes = value.data() ? value.data() : "";
  sqlite3_bind_text64(statement_, index, bytes, value.size(), lifetime_of(bound_), SQLITE_UTF8);
}
void Query::bind(int index, Blob value) {
  const char* bytes = value.bytes.data() ? value.bytes.data() : "";
  sqlite3_bind_blob64(statement_, index, bytes, value.bytes.size(), lifetime_of(bound_));
}
void Query::bind_column(int index, const Query& row, int column) {
  sqlite3_bind_value(statement_, index, sqlite3_column_value(row.statement_, column));
}

void Connection::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }
void Connection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Connection::Connection(std::unique_ptr<sqlite3, Close> db, std::filesystem::path path)
    : path_{std::make_unique<std::filesystem::path>(std::move(path))},
      log_pages_{std::make_unique<int>(0)},
      db_{std::move(db)} {
  const auto note_pages = [](void* pages, sqlite3*, const char*, int count) {
    *static_cast<int*>(pages) = count;
    return SQLITE_OK;
  };
  sqlite3_wal_hook(db_.get(), note_pages, log_pages_.get());
}

Result<Connection> Connection::open(const std::filesystem::path& path, Access access, Medium medium) {
  count_no_memory();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (access == Access::create) flags |= SQLITE_OPEN_CREATE;
  std::string name = std::filesystem::absolute(path).string();
  if (medium == Medium::immutable) {
    // RFC 3986: what has a meaning in a URI is escaped.
    std::string uri = "file:";
    for (const char c : name) uri += c == '?' ? "%3f" : c == '#' ? "%23" : c == '%' ? "%25" : std::string{c};
    name = uri + "?immutable=1";
    flags |= SQLITE_OPEN_URI;
  }
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &opened, flags, nullptr);
  std::unique_ptr<sqlite3, Close> db{opened};
  if (code != SQLITE_OK) return fail_sqlite(opened, code, path);
  sqlite3_busy_timeout(opened, kBusyMilliseconds);
  // A file closed by the last of its users keeps its write-ahead log: folding
  // it in costs two fsync, which checkpoint() spends only where the log is long.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return Connection{std::move(db), path};
}

Result<void> Connection::execute(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail_sqlite(db_.get(), code, *path_);
  return {};
}

Result<Query> Connection::prepare(std::string_view sql, Query::Bound how) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &statement, nullptr);
    if (code != SQLITE_OK) return fail_sqlite(db_.get(), code, *path_);
    found = statements_.emplace(std::string{sql}, statement).first;
  }
  return Query{db_.get(), found->second.get(), path_.get(), how};
}

int Connection::changed_rows() const { return sqlite3_changes(db_.get()); }

bool Connection::is_read_only() const { return sqlite3_db_readonly(db_.get(), "main") == 1; }

}  // namespace everywatt
