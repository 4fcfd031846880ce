#include <string>

#include "base/text.h"
#include "store/fact_text.h"
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

}  // namespace

Result<std::optional<std::int64_t>> run_key(Connection& db, std::string_view id) {
  return db.number("SELECT key FROM run WHERE id = ?", id);
}

Result<std::int64_t> put_run_row(Connection& db, Written& written, const Run& run, Nanoseconds recorded_wall) {
  std::optional<Nanoseconds> ended, ended_wall;
  if (run.ended) ended = run.ended->steady;
  if (run.ended) ended_wall = run.ended->wall;
  const auto put_work = [&](std::int64_t key) -> Result<std::int64_t> {
    for (const auto& [what, amount] : run.work)
      CHECK(db.run("INSERT OR REPLACE INTO work (run, what, amount) VALUES (?, ?, ?)", key, what, amount));
    return key;
  };
  if (const auto key = written.key_of(run)) {
    TRY(const bool was_there,
        db.update("UPDATE run SET ended_ns = ?, ended_wall_ns = ?, cpu_ns = ?, peak_memory_bytes = ?, "
                  "disk_read_bytes = ?, disk_written_bytes = ?, network = ?, usage_method = ?, overhead_cpu_ns = ?, "
                  "overhead_peak_rss_bytes = ?, marks_dropped = ? WHERE key = ? AND id = ?",
                  ended, ended_wall, run.usage.cpu_time, run.usage.peak_memory_bytes, run.usage.disk_read_bytes,
                  run.usage.disk_written_bytes, fact_text(run.usage.network), run.usage.method, run.overhead.cpu_time,
                  run.overhead.peak_rss_bytes, run.overhead.marks_dropped, *key, run.id));
    if (was_there) return put_work(*key);
  }
  const auto put = [&](const std::string& sql) {
    return db.number(sql, run.id, recorded_wall, run.name, run.project, run.model, run.model_version, run.origin,
                     to_string(run.status), run.parent, fact_text(run.command), run.exit_status, run.ended_by,
                     run.started.steady, run.started.wall, ended, ended_wall, fact_text(run.tags),
                     fact_text(run.metrics), run.boundary, run.host, run.usage.cpu_time, run.usage.peak_memory_bytes,
                     run.usage.disk_read_bytes, run.usage.disk_written_bytes, fact_text(run.usage.network),
                     run.usage.method, run.overhead.cpu_time, run.overhead.peak_rss_bytes, run.overhead.marks_dropped,
                     run.supervisor.pid, run.supervisor.start_ticks, run.supervisor.boot_id, fact_text(run.notices),
                     fact_text(run.environment));
  };
  static const RunStatements kStatements;
  // Nearly always the run is there; an INSERT, even one that ends as an update, writes SQLite's page of last keys.
  TRY(auto key, put(kStatements.update));
  if (!key) {
    TRY(key, put(kStatements.insert));
  }
  written.note(run, *key);
  CHECK(db.run("UPDATE run SET name = ?2 WHERE key = ?1 AND name <> ?2", key, run.name));
  return put_work(*key);
}

Result<void> put_run_parts(Connection& db, WriterMemory& memory, std::int64_t run, const PendingRun& pending) {
  NameNumbers& names = memory.names;
  CHECK(put_books(db, memory, run, pending));
  for (const auto& [path, phase] : pending.phases) {
    TRY(const std::int64_t name, names.number(db, run, path));
    CHECK(db.run("INSERT OR REPLACE INTO phase (run, name, count, duration_ns) VALUES (?, ?, ?, ?)", run, name,
                 phase.count, phase.duration));
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

Result<void> delete_run(Connection& db, std::int64_t run) {
  for (const RunTable& table : kRunTables) {
    CHECK(db.run("DELETE FROM " + std::string{table.name} + " WHERE run = ?", run));
  }
  return db.run("DELETE FROM run WHERE key = ?", run);
}

}  // namespace everywatt
