#include <string>

#include "base/text.h"
#include "store/fact_text.h"
#include "store/point_rows.h"
#include "store/run_rows.h"
#include "store/schema.h"

namespace everywatt {
namespace {

// A row that says what it said is not written again.
Result<void> put_phase_quantity(Connection& db, NameNumbers& names, std::int64_t run, const PhaseQuantity& quantity) {
  TRY(const std::int64_t phase, names.number(db, run, quantity.path));
  TRY(const std::int64_t device, names.number(db, run, quantity.device));
  TRY(const std::int64_t name, names.number(db, run, quantity.name));
  return db.run(
      "INSERT INTO phase_quantity (run, phase, device, name, sum, observed_ns, resolved_ns) VALUES (?, ?, ?, ?, ?, ?, "
      "?) ON CONFLICT DO UPDATE SET (sum, observed_ns, resolved_ns) = (excluded.sum, excluded.observed_ns, "
      "excluded.resolved_ns) WHERE (sum, observed_ns) IS NOT (excluded.sum, excluded.observed_ns)",
      run, phase, device, name, quantity.sum, quantity.observed, quantity.resolved);
}

// With the same values in the same places.
struct RunStatements {
  std::string update, insert;

  RunStatements() {
    std::string marks, updates;
    int place = 0;
    for (const std::string_view column : split(kRunColumns, ',')) {
      const std::string name{trim(column)}, mark = "?" + std::to_string(++place);
      marks += (marks.empty() ? "" : ", ") + mark;
      // What was first recorded and what is summed up from entries is not a fact that a caller replaces.
      // A name is an index's too: it is replaced where it is another, or each second would write the index's page.
      if (name == "id" || name == "recorded_wall_ns" || name == "total_uj" || name == "booked_uj" || name == "name")
        continue;
      updates += (updates.empty() ? "" : ", ") + name + " = " + mark;
    }
    update = "UPDATE run SET " + updates + " WHERE id = ?1 RETURNING key";
    insert = "INSERT INTO run (" + std::string{kRunColumns} + ") VALUES (" + marks + ") RETURNING key";
  }
};

std::optional<Nanoseconds> steady_of(const std::optional<Instant>& instant) {
  return instant ? std::optional{instant->steady} : std::nullopt;
}
std::optional<Nanoseconds> wall_of(const std::optional<Instant>& instant) {
  return instant ? std::optional{instant->wall} : std::nullopt;
}

}  // namespace

Result<std::optional<std::int64_t>> run_key(Connection& db, std::string_view id) {
  return db.number("SELECT key FROM run WHERE id = ?", id);
}

Result<bool> put_moving_facts(Connection& db, std::int64_t run, const MovingFacts& facts) {
  const auto& [ended, usage, overhead] = facts;
  return db.update(
      "UPDATE run SET ended_ns = ?, ended_wall_ns = ?, cpu_ns = ?, peak_memory_bytes = ?, disk_read_bytes = ?, "
      "disk_written_bytes = ?, network = ?, usage_method = ?, overhead_cpu_ns = ?, overhead_peak_rss_bytes = ?, "
      "marks_dropped = ? WHERE key = ?",
      steady_of(ended), wall_of(ended), usage.cpu_time, usage.peak_memory_bytes, usage.disk_read_bytes,
      usage.disk_written_bytes, fact_text(usage.network), usage.method, overhead.cpu_time, overhead.peak_rss_bytes,
      overhead.marks_dropped, run);
}

namespace {

// Inserts the run or replaces its facts.
Result<std::int64_t> put_run_row(Connection& db, Written& written, const Run& run, Nanoseconds recorded_wall) {
  if (const auto key = written.key_of(run)) {
    TRY(const bool was_there, put_moving_facts(db, *key, moving_facts_of(run)));
    if (was_there) return *key;
  }
  const auto put = [&](const std::string& sql) {
    return db.number(sql, run.id, recorded_wall, run.name, run.project, run.model, run.model_version, run.origin,
                     to_string(run.status), run.parent, fact_text(run.command), run.exit_status, run.ended_by,
                     run.started.steady, run.started.wall, steady_of(run.ended), wall_of(run.ended),
                     fact_text(run.tags), fact_text(run.metrics), run.boundary, run.host, run.usage.cpu_time,
                     run.usage.peak_memory_bytes, run.usage.disk_read_bytes, run.usage.disk_written_bytes,
                     fact_text(run.usage.network), run.usage.method, run.overhead.cpu_time, run.overhead.peak_rss_bytes,
                     run.overhead.marks_dropped, run.supervisor.pid, run.supervisor.start_ticks, run.supervisor.boot_id,
                     fact_text(run.notices), fact_text(run.environment));
  };
  static const RunStatements kStatements;
  // Nearly always the run is there; an INSERT, even one that ends as an update, writes SQLite's page of last keys.
  TRY(auto key, put(kStatements.update));
  if (!key) {
    TRY(key, put(kStatements.insert));
  }
  written.note(run, *key);
  CHECK(db.run("UPDATE run SET name = ?2 WHERE key = ?1 AND name <> ?2", key, run.name));
  return *key;
}

// Facts and books go together where they go into `recent`: the run's key, if they did.
Result<std::optional<std::int64_t>> put_all_recent(Connection& db, WriterMemory& memory, const PendingRun& pending) {
  const auto key = pending.facts ? memory.written.key_of(*pending.facts) : std::nullopt;
  if (!key) return std::nullopt;
  TRY(const bool is_kept, put_recent(db, memory, *key, pending));
  return is_kept ? key : std::nullopt;
}

Result<std::optional<std::int64_t>> put_facts_and_books(Connection& db, WriterMemory& memory, std::string_view id,
                                                        const PendingRun& pending, Nanoseconds recorded_wall) {
  TRY(auto key, put_all_recent(db, memory, pending));
  if (key) return key;
  if (pending.facts) {
    TRY(key, put_run_row(db, memory.written, *pending.facts, recorded_wall));
  } else {
    TRY(key, run_key(db, id));
  }
  if (key) CHECK(put_books(db, memory, *key, pending));
  return key;
}

Result<void> put_parts(Connection& db, NameNumbers& names, std::int64_t run, const PendingRun& pending) {
  if (pending.facts) {
    for (const auto& [what, amount] : pending.facts->work)
      CHECK(db.run("INSERT OR REPLACE INTO work (run, what, amount) VALUES (?, ?, ?)", run, what, amount));
  }
  for (const auto& [path, phase] : pending.phases) {
    TRY(const std::int64_t name, names.number(db, run, path));
    CHECK(db.run(
        "INSERT INTO phase (run, name, count, duration_ns) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET (count, "
        "duration_ns) = (excluded.count, excluded.duration_ns) WHERE (count, duration_ns) IS NOT "
        "(excluded.count, excluded.duration_ns)",
        run, name, phase.count, phase.duration));
    for (const auto& [what, amount] : phase.work)
      CHECK(
          db.run("INSERT INTO phase_work (run, phase, what, amount) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
                 "SET amount = excluded.amount WHERE amount <> excluded.amount",
                 run, name, what, amount));
  }
  for (const RankRecord& rank : pending.ranks) {
    CHECK(
        db.run("INSERT OR REPLACE INTO rank (run, rank, pid, steps, duration_ns, waited_ns, waited_on_others_ns, "
               "energy_uj, waited_uj, caused_uj, lateness, late_share) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
               run, rank.rank, rank.pid, rank.steps, rank.duration, rank.waited, rank.waited_on_others, rank.energy,
               rank.energy_waited, rank.energy_caused, rank.lateness, rank.late_share));
  }
  for (const auto& [number, span] : pending.spans) {
    TRY(const std::int64_t phase, names.number(db, run, span.path));
    CHECK(
        db.run("INSERT OR REPLACE INTO span (run, number, phase, process, begin_ns, end_ns, energy_uj) "
               "VALUES (?, ?, ?, ?, ?, ?, ?)",
               run, number, phase, std::int64_t{span.process}, span.begin, span.end, span.energy));
  }
  for (const auto& [key, quantity] : pending.phase_quantities) CHECK(put_phase_quantity(db, names, run, quantity));
  for (const Gap& gap : pending.gaps) {
    TRY(const std::int64_t device, names.number(db, run, gap.device));
    CHECK(db.run("INSERT INTO gap (run, device, started_wall_ns, length_ns, reason) VALUES (?, ?, ?, ?, ?)", run,
                 device, gap.started_wall, gap.length, gap.reason));
  }
  return {};
}

}  // namespace

Result<std::optional<std::int64_t>> write_run(Connection& db, WriterMemory& memory, std::string_view id,
                                              const PendingRun& pending, Nanoseconds recorded_wall) {
  TRY(const auto key, put_facts_and_books(db, memory, id, pending, recorded_wall));
  if (key) CHECK(put_parts(db, memory.names, *key, pending));
  return key;
}

Result<void> delete_run(Connection& db, std::int64_t run) {
  for (const RunTable& table : kRunTables) {
    CHECK(db.run("DELETE FROM " + std::string{table.name} + " WHERE run = ?", run));
  }
  CHECK(delete_recent_points(db, run));
  return db.run("DELETE FROM run WHERE key = ?", run);
}

}  // namespace everywatt
