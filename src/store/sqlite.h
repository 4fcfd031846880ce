// SQLite's C interface with our errors and lifetimes, nothing more: one
// connection with its prepared statements, and a query that is reset when it
// goes out of scope. SQL is written where it is used, values are bound in order:
//
//   CHECK(db.run("DELETE FROM entry WHERE run = ?", key));
//   TRY(Query query, db.query("SELECT id FROM run WHERE name = ?", name));
//   CHECK(for_each(std::move(query), [&](const Query& row) { … row.text(0) … }));
//
// Errors: Errc::malformed is a damaged file, denied a file that may not be
// written, io a full disk or a system that refused. One thread at a time.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace everywatt {

// Bytes that are no text.
struct Blob {
  std::string_view bytes;
};

class Query {
 public:
  // Whether texts and bytes that are bound are copied; else they must stay where they are while it lives.
  enum class Bound { copied, in_place };
  Query(sqlite3* db, sqlite3_stmt* statement, const std::filesystem::path* path, Bound bound)
      : db_{db}, statement_{statement}, path_{path}, bound_{bound} {}
  Query(Query&& other) noexcept
      : db_{other.db_},
        statement_{std::exchange(other.statement_, nullptr)},
        path_{other.path_},
        bound_{other.bound_} {}
  Query& operator=(Query&&) = delete;
  ~Query();

  Result<bool> next();  // true: there is a row

  [[nodiscard]] bool null(int column) const;
  [[nodiscard]] std::int64_t i64(int column) const;
  [[nodiscard]] std::uint64_t u64(int column) const { return static_cast<std::uint64_t>(i64(column)); }
  [[nodiscard]] double real(int column) const;
  // Valid until next().
  [[nodiscard]] std::string_view view(int column) const;
  [[nodiscard]] std::string text(int column) const { return std::string{view(column)}; }
  [[nodiscard]] std::optional<std::int64_t> maybe_i64(int column) const;
  [[nodiscard]] std::optional<double> maybe_real(int column) const;
  [[nodiscard]] std::optional<std::string> maybe_text(int column) const;

  void bind(int index, std::int64_t value);
  void bind(int index, int value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, bool value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, std::uint64_t value) { bind(index, static_cast<std::int64_t>(value)); }
  void bind(int index, double value);
  void bind(int index, std::string_view value);
  void bind(int index, const std::string& value) { bind(index, std::string_view{value}); }
  void bind(int index, const char* value) { bind(index, std::string_view{value}); }
  void bind(int index, Blob value);
  void bind_column(int index, const Query& row, int column);  // of another query, as it is
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value) bind(index, *value);  // unbound is NULL
  }

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  const std::filesystem::path* path_;
  Bound bound_;
};

class Connection {
 public:
  enum class Access { read_only, read_write, create };
  // `immutable`: a file that nobody can write, on a medium where not even a
  // lock can be taken. `filename` may be what SQLite calls a URI only here.
  enum class Medium { normal, immutable };
  static Result<Connection> open(const std::filesystem::path& path, Access access, Medium medium = Medium::normal);

  // Statements without values or rows, several at a time.
  Result<void> execute(const char* sql);

  template <class... Values>
  Result<Query> query(std::string_view sql, const Values&... values) {
    return bound(Query::Bound::copied, sql, values...);
  }
  template <class... Values>
  Result<void> run(std::string_view sql, const Values&... values) {
    TRY(Query query, bound(Query::Bound::in_place, sql, values...));
    CHECK(query.next());
    return {};
  }
  // The first column of the first row, if there is one.
  template <class... Values>
  Result<std::optional<std::int64_t>> number(std::string_view sql, const Values&... values) {
    TRY(Query query, bound(Query::Bound::in_place, sql, values...));
    TRY(const bool row, query.next());
    return row ? query.maybe_i64(0) : std::nullopt;
  }

  // True: there was a row to change.
  template <class... Values>
  Result<bool> update(std::string_view sql, const Values&... values) {
    CHECK(run(sql, values...));
    return changed_rows() > 0;
  }
  // Changes the row where it is and inserts it where it is not: where it mostly is, a third less work than an
  // upsert, which tries to insert first. Both statements have the same values in numbered places (?1, ?2, …).
  template <class... Values>
  Result<void> update_or_insert(std::string_view update, std::string_view insert, const Values&... values) {
    TRY(const bool was_there, this->update(update, values...));
    return was_there ? Result<void>{} : run(insert, values...);
  }

  [[nodiscard]] bool is_read_only() const;
  // Pages in the write-ahead log, as of our last commit.
  [[nodiscard]] int log_pages() const { return *log_pages_; }
  [[nodiscard]] const std::filesystem::path& path() const { return *path_; }

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  Connection(std::unique_ptr<sqlite3, Close> db, std::filesystem::path path);
  template <class... Values>
  Result<Query> bound(Query::Bound how, std::string_view sql, const Values&... values) {
    TRY(Query query, prepare(sql, how));
    int index = 0;
    (query.bind(++index, values), ...);
    return query;
  }
  Result<Query> prepare(std::string_view sql, Query::Bound how);
  [[nodiscard]] int changed_rows() const;  // by the last statement that changes rows

  std::unique_ptr<std::filesystem::path> path_;  // queries point to it
  std::unique_ptr<int> log_pages_;               // SQLite points to it
  std::unique_ptr<sqlite3, Close> db_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, Hash, std::equal_to<>> statements_;
};

// Calls `take` with each row; where it returns a Result, stops at one that is no success.
template <class Take>
Result<void> for_each(Query query, Take take) {
  for (;;) {
    TRY(const bool row, query.next());
    if (!row) return {};
    if constexpr (std::is_void_v<std::invoke_result_t<Take&, const Query&>>) {
      take(std::as_const(query));
    } else {
      CHECK(take(std::as_const(query)));
    }
  }
}

// What is read while one of these lives is the file at one moment.
class Snapshot {
 public:
  static Result<Snapshot> take(Connection& db) {
    CHECK(db.execute("BEGIN"));
    return Snapshot{db};
  }
  Snapshot(Snapshot&& other) noexcept : db_{std::exchange(other.db_, nullptr)} {}
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot() {
    if (db_) (void)db_->execute("ROLLBACK");
  }

 private:
  explicit Snapshot(Connection& db) : db_{&db} {}
  Connection* db_;
};

}  // namespace everywatt
