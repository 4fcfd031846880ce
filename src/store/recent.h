// What the last commits said of a run, its devices and its entries. A second on a node of eight GPUs changes some fifty
// rows of figures, all of which the next one changes again: they stand together in one row of the table `recent`, which
// readers lay over the tables, until a minute's commits have gathered there.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "model/run.h"
#include "store/sqlite.h"

namespace everywatt {

// Of a device that has a figure: what moves with time. Names are numbers here.
struct FiguresRow {
  std::int64_t device = 0;
  MicroJoules measured = 0;
  MicroJoules uncertainty_random = 0;
  MicroJoules uncertainty_systematic = 0;
  Nanoseconds observed = 0;
  Nanoseconds busy_time = 0;
  Nanoseconds reserved_time = 0;
  bool operator==(const FiguresRow&) const = default;
};

struct EntryRow {
  std::int64_t minute = 0;
  std::int64_t device = 0;
  std::int64_t phase = 0;
  Account account = Account::busy;
  MicroJoules energy = 0;
  [[nodiscard]] auto key() const { return std::tuple{minute, device, phase, account}; }
  bool operator==(const EntryRow&) const = default;
};

// Adds to the row of that key. Rows ascend by key.
void add_entry(std::vector<EntryRow>& rows, const EntryRow& entry);

// Of the run itself what moves with time while it goes on.
struct MovingFacts {
  std::optional<Instant> ended = {};
  Usage usage = {};
  Overhead overhead = {};
  bool operator==(const MovingFacts&) const = default;
};
MovingFacts moving_facts_of(const Run& run);
void put_into(const MovingFacts& facts, Run& run);

struct Recent {
  static constexpr std::uint64_t kMostCommits = 60;
  static constexpr std::size_t kMostEntries = 256;  // all are written again with each commit

  std::uint64_t commits = 0;
  std::vector<FiguresRow> figures = {};   // ascending by device; they replace those of the table
  std::vector<EntryRow> entries = {};     // ascending by key; they add to those of the table
  MicroJoules charged = 0;                // by them, on devices that count: adds to the run's sum …
  MicroJoules booked = 0;                 // … and this to that of all accounts
  std::optional<MovingFacts> facts = {};  // they replace those of the run's row

  [[nodiscard]] bool empty() const { return commits == 0; }
  [[nodiscard]] bool is_full() const { return commits >= kMostCommits || entries.size() >= kMostEntries; }
  void put(const FiguresRow& row);
  bool operator==(const Recent&) const = default;
};

// The bytes of the row, and back; none: damaged.
std::string pack(const Recent& recent);
std::optional<Recent> unpack_recent(std::string_view bytes);

// Of a run, as committed. Errc::malformed: the row is damaged.
Result<Recent> read_recent(Connection& db, std::int64_t run);

// The rows that this process writes, as they will be when the transaction at hand is committed.
class Recents {
 public:
  // Null: it is not this process that writes the run's.
  Recent* ours(std::int64_t run);
  void keep(std::int64_t run, Recent recent) { runs_.insert_or_assign(run, std::move(recent)); }
  // Ours no more; where it is not ours, the row as it is.
  Result<Recent> take(Connection& db, std::int64_t run);
  void drop(std::int64_t run) { runs_.erase(run); }
  // After a transaction that was rolled back.
  void forget() { runs_.clear(); }

 private:
  std::map<std::int64_t, Recent> runs_;
};

}  // namespace everywatt
