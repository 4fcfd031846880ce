// The part of writing a run that says what its devices drew and for whom: the rows of `device`, of what belongs to it,
// and of `entry`; or in their place, and in that of the run's own row, where only figures moved, its row of `recent`.
#include <algorithm>
#include <string>
#include <tuple>

#include "store/fact_text.h"
#include "store/run_rows.h"

namespace everywatt {
namespace {

// The device itself is the same all along.
Result<void> put_figures(Connection& db, std::int64_t run, std::int64_t name,
                         const std::optional<std::string_view>& method, const DeviceRecord& record) {
  return db.run(
      "UPDATE device SET counted = ?, method = ?, sensor = ?, correlation = ?, measured_uj = ?, "
      "uncertainty_random_uj = ?, uncertainty_systematic_uj = ?, observed_ns = ?, busy_ns = ?, reserved_ns = ?, "
      "utilisation_known = ?, flags = ?, reason = ? WHERE run = ? AND name = ?",
      record.counted, method, record.sensor, record.correlation, record.measured, record.uncertainty_random,
      record.uncertainty_systematic, record.observed, record.busy_time, record.reserved_time, record.utilisation_known,
      fact_text(record.flags), record.reason, run, name);
}

enum class Known { no, yes };  // by what this process wrote

Result<Known> put_device(Connection& db, WriterMemory& memory, std::int64_t run, const DeviceRecord& record) {
  TRY(const std::int64_t name, memory.names.number(db, run, record.device.id));
  std::optional<std::string_view> method;
  if (record.method) method = to_string(*record.method);
  const DeviceRecord* const before = memory.written.device(run, record.device.id);
  const bool is_known = before && before->device == record.device;
  memory.written.note(run, record);
  if (is_known) {
    CHECK(put_figures(db, run, name, method, record));
    return Known::yes;
  }
  CHECK(db.run(
      "INSERT OR REPLACE INTO device (run, name, kind, model, parent, follows, cpus, includes_memory, counted, method, "
      "sensor, correlation, measured_uj, uncertainty_random_uj, uncertainty_systematic_uj, observed_ns, busy_ns, "
      "reserved_ns, utilisation_known, flags, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?)",
      run, name, to_string(record.device.kind), record.device.model, record.device.parent, record.device.follows,
      fact_text(record.device.cpus), record.device.includes_memory, record.counted, method, record.sensor,
      record.correlation, record.measured, record.uncertainty_random, record.uncertainty_systematic, record.observed,
      record.busy_time, record.reserved_time, record.utilisation_known, fact_text(record.flags), record.reason));
  return Known::no;
}

// The first time an update would look for each in vain.
Result<void> put_quantities(Connection& db, NameNumbers& names, std::int64_t run, const DeviceRecord& record,
                            Known device_is) {
  TRY(const std::int64_t device, names.number(db, run, record.device.id));
  for (const QuantityRecord& quantity : record.quantities) {
    TRY(const std::int64_t name, names.number(db, run, quantity.name));
    const auto put = [&](std::string_view sql) {
      return db.update(sql, run, device, name, quantity.unit, quantity.mean, quantity.least, quantity.most,
                       quantity.total, quantity.is_sampled, quantity.observed, quantity.reason);
    };
    TRY(const bool was_there,
        device_is == Known::no
            ? Result<bool>{false}
            : put("UPDATE quantity SET (unit, mean, least, most, total, sampled, observed_ns, reason) = "
                  "(?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) WHERE run = ?1 AND device = ?2 AND name = ?3"));
    if (!was_there)
      CHECK(
          put("INSERT OR REPLACE INTO quantity (run, device, name, unit, mean, least, most, total, sampled, "
              "observed_ns, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
  }
  return {};
}

Result<void> put_checks(Connection& db, NameNumbers& names, std::int64_t run, const DeviceRecord& record) {
  TRY(const std::int64_t device, names.number(db, run, record.device.id));
  for (const CrossCheck& check : record.checks) {
    CHECK(db.run("INSERT OR REPLACE INTO cross_check (run, device, sensor, ratio, over_ns) VALUES (?, ?, ?, ?, ?)", run,
                 device, check.sensor, check.ratio, check.over));
  }
  return {};
}

// A run's sensor is corrected alike from its begin to its end.
Result<void> put_correction(Connection& db, NameNumbers& names, std::int64_t run, const DeviceRecord& record) {
  if (!record.correction) return {};
  TRY(const std::int64_t device, names.number(db, run, record.device.id));
  return db.run(
      "INSERT INTO correction (run, device, sensor, gain, offset_watts) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      run, device, record.sensor, record.correction->gain, record.correction->offset / watt);
}

struct Sum {
  MicroJoules charged = 0;  // busy and idle
  MicroJoules booked = 0;   // all accounts

  void add(Account account, MicroJoules energy) {
    booked += energy;
    if (account == Account::busy || account == Account::idle) charged += energy;
  }
};

// What `ls` shows is kept beside the entries, so that listing scans none.
Result<void> put_entries(Connection& db, std::int64_t run, const std::vector<EntryRow>& entries) {
  std::map<std::int64_t, Sum> sums;
  for (const EntryRow& row : entries) {
    CHECK(
        db.update_or_insert("UPDATE entry SET energy_uj = energy_uj + ?6 WHERE run = ?1 AND minute = ?5 AND "
                            "device = ?2 AND phase = ?3 AND account = ?4",
                            "INSERT INTO entry (run, device, phase, account, minute, energy_uj) "
                            "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                            run, row.device, row.phase, static_cast<int>(row.account), row.minute, row.energy));
    sums[row.device].add(row.account, row.energy);
  }
  for (const auto& [device, sum] : sums) {
    CHECK(
        db.update_or_insert("UPDATE device_sum SET (charged_uj, booked_uj) = (charged_uj + ?3, booked_uj + ?4) "
                            "WHERE run = ?1 AND name = ?2",
                            "INSERT INTO device_sum (run, name, charged_uj, booked_uj) VALUES (?1, ?2, ?3, ?4)", run,
                            device, sum.charged, sum.booked));
  }
  return {};
}

// As the bill sums: devices that count and have a figure; none of them: no sum.
Result<void> sum_up(Connection& db, std::int64_t run) {
  return db.run(
      "UPDATE run SET (total_uj, booked_uj) = (SELECT sum(coalesce(charged_uj, 0)), sum(coalesce(s.booked_uj, 0)) "
      "FROM device AS d LEFT JOIN device_sum AS s ON s.run = d.run AND s.name = d.name "
      "WHERE d.run = ?1 AND d.counted AND d.measured_uj IS NOT NULL) WHERE key = ?1",
      run);
}

// In numbers, in the order of their keys.
Result<std::vector<EntryRow>> rows_of(Connection& db, NameNumbers& names, std::int64_t run,
                                      const std::vector<Entry>& entries) {
  std::vector<EntryRow> rows;
  rows.reserve(entries.size());
  for (const Entry& entry : entries) {
    TRY(const std::int64_t device, names.number(db, run, entry.device));
    TRY(const std::int64_t phase, names.number(db, run, entry.phase));
    rows.push_back(
        {.minute = entry.minute, .device = device, .phase = phase, .account = entry.account, .energy = entry.energy});
  }
  std::ranges::sort(rows, {}, &EntryRow::key);
  return rows;
}

FiguresRow figures_of(std::int64_t device, const DeviceRecord& record) {
  return {.device = device,
          .measured = record.measured.value_or(0),
          .uncertainty_random = record.uncertainty_random,
          .uncertainty_systematic = record.uncertainty_systematic,
          .observed = record.observed,
          .busy_time = record.busy_time,
          .reserved_time = record.reserved_time};
}

// Whether it says what was written, but for the figures of a device that has some.
bool only_moves(const DeviceRecord& written, const DeviceRecord& now) {
  const auto rest = [](const DeviceRecord& record) {
    return std::tie(record.device, record.counted, record.method, record.sensor, record.correction, record.correlation,
                    record.utilisation_known, record.flags, record.reason);
  };
  if (!now.quantities.empty() || !now.checks.empty() || rest(written) != rest(now)) return false;
  const bool has_figures = written.measured && now.measured;
  return has_figures || (written.measured == now.measured && figures_of(0, written) == figures_of(0, now));
}

bool only_moves(const Written& written, std::int64_t run, const PendingRun& pending) {
  return std::ranges::all_of(pending.devices,
                             [&](const DeviceRecord& record) {
                               const DeviceRecord* const before = written.device(run, record.device.id);
                               return before && only_moves(*before, record);
                             }) &&
         std::ranges::all_of(pending.entries,
                             [&](const Entry& entry) { return written.device(run, entry.device) != nullptr; });
}

Result<void> gather(Connection& db, WriterMemory& memory, std::int64_t run, const PendingRun& pending, Recent& recent) {
  for (const DeviceRecord& record : pending.devices) {
    if (!record.measured) continue;
    TRY(const std::int64_t device, memory.names.number(db, run, record.device.id));
    recent.put(figures_of(device, record));
  }
  TRY(const auto rows, rows_of(db, memory.names, run, pending.entries));
  for (const EntryRow& row : rows) add_entry(recent.entries, row);
  Sum more;
  for (const Entry& entry : pending.entries) {
    const DeviceRecord& device = *memory.written.device(run, entry.device);
    if (device.counted && device.measured) more.add(entry.account, entry.energy);
  }
  recent.charged += more.charged;
  recent.booked += more.booked;
  if (pending.facts) recent.facts = moving_facts_of(*pending.facts);
  ++recent.commits;
  return {};
}

// Whether the row of `recent` may take what is pending, but for the facts of the run.
bool fits(const Written& written, std::int64_t run, const PendingRun& pending, const Recent& recent) {
  return !pending.clears_entries && !pending.is_over() && !recent.is_full() && only_moves(written, run, pending);
}

// Figures of devices of which nothing newer is pending.
Result<void> put_recent_figures(Connection& db, NameNumbers& names, std::int64_t run, const Recent& recent,
                                const PendingRun& pending) {
  std::vector<FiguresRow> rows = recent.figures;
  for (const DeviceRecord& record : pending.devices) {
    TRY(const std::int64_t device, names.number(db, run, record.device.id));
    std::erase_if(rows, [&](const FiguresRow& row) { return row.device == device; });
  }
  for (const FiguresRow& row : rows)
    CHECK(
        db.run("UPDATE device SET measured_uj = ?, uncertainty_random_uj = ?, uncertainty_systematic_uj = ?, "
               "observed_ns = ?, busy_ns = ?, reserved_ns = ? WHERE run = ? AND name = ?",
               row.measured, row.uncertainty_random, row.uncertainty_systematic, row.observed, row.busy_time,
               row.reserved_time, run, row.device));
  return {};
}

// Of the run, of which nothing newer is pending.
Result<void> put_recent_facts(Connection& db, std::int64_t run, const Recent& recent, const PendingRun& pending) {
  if (recent.facts && !pending.facts) CHECK(put_moving_facts(db, run, *recent.facts));
  return {};
}

// With what `recent` gathered.
Result<void> put_tables(Connection& db, WriterMemory& memory, std::int64_t run, Recent recent,
                        const PendingRun& pending) {
  if (!recent.empty()) {
    TRY(const bool was_there, db.update("DELETE FROM recent WHERE run = ?", run));
    if (!was_there) recent = {};  // another process has written it into the tables
  }
  CHECK(put_recent_facts(db, run, recent, pending));
  CHECK(put_recent_figures(db, memory.names, run, recent, pending));
  for (const DeviceRecord& record : pending.devices) {
    TRY(const Known device_is, put_device(db, memory, run, record));
    CHECK(put_quantities(db, memory.names, run, record, device_is));
    CHECK(put_checks(db, memory.names, run, record));
    CHECK(put_correction(db, memory.names, run, record));
  }
  TRY(auto entries, rows_of(db, memory.names, run, pending.entries));
  if (pending.clears_entries) {
    CHECK(db.run("DELETE FROM entry WHERE run = ?", run));
    CHECK(db.run("DELETE FROM device_sum WHERE run = ?", run));
  } else {
    for (const EntryRow& row : recent.entries) add_entry(entries, row);
  }
  CHECK(put_entries(db, run, entries));
  return sum_up(db, run);
}

}  // namespace

Result<bool> put_recent(Connection& db, WriterMemory& memory, std::int64_t run, const PendingRun& pending) {
  Recent* const recent = memory.recents.ours(run);
  if (!recent || !fits(memory.written, run, pending, *recent)) return false;
  CHECK(gather(db, memory, run, pending, *recent));
  TRY(const bool was_there, db.update("UPDATE recent SET data = ?2 WHERE run = ?1", run, Blob{pack(*recent)}));
  if (!was_there) memory.recents.drop(run);
  return was_there;
}

Result<void> put_books(Connection& db, WriterMemory& memory, std::int64_t run, const PendingRun& pending) {
  TRY(const bool is_kept, put_recent(db, memory, run, pending));
  if (is_kept) return {};
  const bool is_news = pending.clears_entries || !pending.devices.empty() || !pending.entries.empty();
  if (!is_news && !pending.is_over()) return {};
  TRY(Recent recent, memory.recents.take(db, run));
  if (!is_news && recent.empty()) return {};
  if (!recent.empty() || !fits(memory.written, run, pending, recent))
    return put_tables(db, memory, run, std::move(recent), pending);
  CHECK(gather(db, memory, run, pending, recent));
  CHECK(db.run("INSERT INTO recent (run, data) VALUES (?, ?)", run, Blob{pack(recent)}));
  memory.recents.keep(run, std::move(recent));
  return {};
}

}  // namespace everywatt
