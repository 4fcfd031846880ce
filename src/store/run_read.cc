#include <algorithm>
#include <string>

#include "store/fact_text.h"
#include "store/run_rows.h"

namespace everywatt {
namespace {

// The columns that run_of() reads, in its order.
constexpr const char* kSelectRun =
    "SELECT id, name, project, model, model_version, origin, status, parent, command, exit_status, "
    "ended_by, started_ns, started_wall_ns, ended_ns, ended_wall_ns, tags, metrics, boundary, host, cpu_ns, "
    "peak_memory_bytes, disk_read_bytes, disk_written_bytes, network, usage_method, overhead_cpu_ns, "
    "overhead_peak_rss_bytes, marks_dropped, supervisor_pid, supervisor_start_ticks, supervisor_boot_id, notices, "
    "environment FROM run WHERE key = ?";

std::optional<std::uint64_t> maybe_u64(const Query& row, int column) {
  if (row.null(column)) return std::nullopt;
  return row.u64(column);
}

Result<Usage> usage_of(const Query& row) {
  Usage usage{.cpu_time = row.i64(19),
              .peak_memory_bytes = maybe_u64(row, 20),
              .disk_read_bytes = maybe_u64(row, 21),
              .disk_written_bytes = maybe_u64(row, 22),
              .method = row.text(24)};
  CHECK(read_fact_text(row.view(23), usage.network));
  return usage;
}

Result<Run> run_of(const Query& row) {
  Run run{.id = row.text(0)};
  run.name = row.text(1);
  run.project = row.text(2);
  run.model = row.text(3);
  run.model_version = row.text(4);
  run.origin = row.text(5);
  TRY(run.status, read_status(row, 6));
  run.parent = row.maybe_text(7);
  CHECK(read_fact_text(row.view(8), run.command));
  if (const auto exit_status = row.maybe_i64(9)) run.exit_status = static_cast<int>(*exit_status);
  run.ended_by = row.maybe_text(10);
  run.started = {.steady = row.i64(11), .wall = row.i64(12)};
  if (!row.null(13)) run.ended = Instant{.steady = row.i64(13), .wall = row.i64(14)};
  CHECK(read_fact_text(row.view(15), run.tags));
  CHECK(read_fact_text(row.view(16), run.metrics));
  run.boundary = row.text(17);
  run.host = row.text(18);
  TRY(run.usage, usage_of(row));
  run.overhead = {.cpu_time = row.i64(25), .peak_rss_bytes = row.u64(26), .marks_dropped = row.u64(27)};
  run.supervisor = {.pid = row.i64(28), .start_ticks = row.u64(29), .boot_id = row.text(30)};
  CHECK(read_fact_text(row.view(31), run.notices));
  CHECK(read_fact_text(row.view(32), run.environment));
  return run;
}

Result<DeviceRecord> device_of(const Query& row) {
  DeviceRecord record{.device = {.id = row.text(0)}};
  const auto kind = parse_device_kind(row.view(1));
  if (!kind) return fail(Errc::malformed, record.device.id + ": no such kind of device: '" + row.text(1) + "'");
  record.device.kind = *kind;
  record.device.model = row.text(2);
  record.device.parent = row.maybe_text(3);
  record.device.follows = row.text(4);
  CHECK(read_fact_text(row.view(5), record.device.cpus));
  record.device.includes_memory = row.i64(6) != 0;
  record.counted = row.i64(7) != 0;
  if (!row.null(8)) {
    record.method = parse_method(row.view(8));
    if (!record.method) return fail(Errc::malformed, record.device.id + ": no such method: '" + row.text(8) + "'");
  }
  record.sensor = row.text(9);
  record.correlation = row.text(10);
  record.measured = row.maybe_i64(11);
  record.uncertainty_random = row.i64(12);
  record.uncertainty_systematic = row.i64(13);
  record.observed = row.i64(14);
  record.busy_time = row.i64(15);
  record.reserved_time = row.i64(16);
  record.utilisation_known = row.i64(17) != 0;
  CHECK(read_fact_text(row.view(18), record.flags));
  record.reason = row.maybe_text(19);
  return record;
}

Result<void> read_entries(Connection& db, std::int64_t run, const Recent& recent,
                          const std::map<std::int64_t, std::string>& names, RunRecord& record) {
  TRY(Query query, db.query("SELECT minute, device, phase, account, energy_uj FROM entry WHERE run = ? "
                            "ORDER BY minute, device, phase, account",
                            run));
  std::vector<EntryRow> rows;
  CHECK(for_each(std::move(query), [&](const Query& row) -> Result<void> {
    const std::int64_t account = row.i64(3);
    if (account < 0 || account > static_cast<int>(Account::unattributed))
      return fail(Errc::malformed, "run " + record.run.id + ": no such account: " + std::to_string(account));
    rows.push_back({.minute = row.i64(0),
                    .device = row.i64(1),
                    .phase = row.i64(2),
                    .account = static_cast<Account>(account),
                    .energy = row.i64(4)});
    return {};
  }));
  for (const EntryRow& row : recent.entries) add_entry(rows, row);
  record.entries.reserve(rows.size());
  for (const EntryRow& row : rows) {
    const auto device = names.find(row.device), phase = names.find(row.phase);
    if (device == names.end() || phase == names.end()) continue;
    record.entries.push_back({.device = device->second,
                              .phase = phase->second,
                              .account = row.account,
                              .minute = row.minute,
                              .energy = row.energy});
  }
  return {};
}

Result<void> read_quantities(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT d.text, n.text, unit, mean, least, most, total, sampled, observed_ns, reason "
                            "FROM quantity AS q JOIN name AS d ON d.run = q.run AND d.number = q.device "
                            "JOIN name AS n ON n.run = q.run AND n.number = q.name "
                            "WHERE q.run = ? ORDER BY q.device, q.name",
                            run));
  return for_each(std::move(query), [&](const Query& row) {
    const auto device = std::ranges::find(record.devices, row.view(0),
                                          [](const DeviceRecord& d) -> std::string_view { return d.device.id; });
    if (device == record.devices.end()) return;
    device->quantities.push_back({.name = row.text(1),
                                  .unit = row.text(2),
                                  .mean = row.maybe_real(3),
                                  .least = row.maybe_real(4),
                                  .most = row.maybe_real(5),
                                  .total = row.maybe_real(6),
                                  .is_sampled = row.i64(7) != 0,
                                  .observed = row.i64(8),
                                  .reason = row.maybe_text(9)});
  });
}

Result<void> read_checks(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT text, sensor, ratio, over_ns FROM cross_check AS c "
                            "JOIN name AS d ON d.run = c.run AND d.number = c.device "
                            "WHERE c.run = ? ORDER BY device, sensor",
                            run));
  return for_each(std::move(query), [&](const Query& row) {
    const auto device = std::ranges::find(record.devices, row.view(0),
                                          [](const DeviceRecord& d) -> std::string_view { return d.device.id; });
    if (device == record.devices.end()) return;
    device->checks.push_back({.sensor = row.text(1), .ratio = row.maybe_real(2).value_or(1), .over = row.i64(3)});
  });
}

// A sensor that was deposed may have had one, too.
Result<void> read_corrections(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT text, sensor, gain, offset_watts FROM correction AS c "
                            "JOIN name AS d ON d.run = c.run AND d.number = c.device WHERE c.run = ?",
                            run));
  return for_each(std::move(query), [&](const Query& row) {
    const auto device = std::ranges::find_if(
        record.devices, [&](const DeviceRecord& d) { return d.device.id == row.view(0) && d.sensor == row.text(1); });
    if (device == record.devices.end()) return;
    device->correction = Correction{.gain = row.real(2), .offset = row.real(3) * watt};
  });
}

Result<void> read_work(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT what, amount FROM work WHERE run = ?", run));
  return for_each(std::move(query),
                  [&](const Query& row) { record.run.work[row.text(0)] = row.maybe_real(1).value_or(0); });
}

Result<void> read_ranks(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query,
      db.query("SELECT rank, pid, steps, duration_ns, waited_ns, waited_on_others_ns, energy_uj, waited_uj, caused_uj, "
               "lateness, late_share FROM rank WHERE run = ? ORDER BY rank, pid",
               run));
  return for_each(std::move(query), [&](const Query& row) {
    record.ranks.push_back({.rank = static_cast<int>(row.i64(0)),
                            .pid = row.i64(1),
                            .steps = row.u64(2),
                            .duration = row.i64(3),
                            .waited = row.i64(4),
                            .waited_on_others = row.i64(5),
                            .energy = row.i64(6),
                            .energy_waited = row.i64(7),
                            .energy_caused = row.i64(8),
                            .lateness = row.maybe_real(9).value_or(0),
                            .late_share = row.maybe_real(10).value_or(0)});
  });
}

Result<void> read_phase_work(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT text, what, amount FROM phase_work AS w "
                            "JOIN name AS p ON p.run = w.run AND p.number = phase WHERE w.run = ?",
                            run));
  return for_each(std::move(query), [&](const Query& row) {
    const auto phase = std::ranges::find(record.phases, row.view(0),
                                         [](const PhaseStat& stat) -> std::string_view { return stat.path; });
    if (phase != record.phases.end()) phase->work[row.text(1)] = row.maybe_real(2).value_or(0);
  });
}

Result<void> read_spans(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT s.number, text, process, begin_ns, end_ns, energy_uj FROM span AS s "
                            "JOIN name AS p ON p.run = s.run AND p.number = phase WHERE s.run = ? ORDER BY s.number",
                            run));
  return for_each(std::move(query), [&](const Query& row) {
    record.spans.push_back({.number = row.u64(0),
                            .path = row.text(1),
                            .process = static_cast<std::uint32_t>(row.i64(2)),
                            .begin = row.i64(3),
                            .end = row.i64(4),
                            .energy = row.i64(5)});
  });
}

Result<void> read_phase_quantities(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(Query query, db.query("SELECT p.text, d.text, n.text, sum, observed_ns, resolved_ns FROM phase_quantity AS q "
                            "JOIN name AS p ON p.run = q.run AND p.number = q.phase "
                            "JOIN name AS d ON d.run = q.run AND d.number = q.device "
                            "JOIN name AS n ON n.run = q.run AND n.number = q.name "
                            "WHERE q.run = ? ORDER BY p.text, d.text, n.text",
                            run));
  return for_each(std::move(query), [&](const Query& row) {
    record.phase_quantities.push_back({.path = row.text(0),
                                       .device = row.text(1),
                                       .name = row.text(2),
                                       .sum = row.maybe_real(3).value_or(0),
                                       .observed = row.i64(4),
                                       .resolved = row.i64(5)});
  });
}

void take_figures(const FiguresRow& row, DeviceRecord& device) {
  device.measured = row.measured;
  device.uncertainty_random = row.uncertainty_random;
  device.uncertainty_systematic = row.uncertainty_systematic;
  device.observed = row.observed;
  device.busy_time = row.busy_time;
  device.reserved_time = row.reserved_time;
}

Result<void> read_parts(Connection& db, std::int64_t run, RunRecord& record) {
  TRY(const Recent recent, read_recent(db, run));
  if (recent.facts) put_into(*recent.facts, record.run);
  TRY(const auto names, names_of(db, run));
  TRY(Query devices, db.query("SELECT text, kind, model, parent, follows, cpus, includes_memory, counted, method, "
                              "sensor, correlation, measured_uj, uncertainty_random_uj, uncertainty_systematic_uj, "
                              "observed_ns, busy_ns, reserved_ns, utilisation_known, flags, reason FROM device "
                              "JOIN name ON name.run = device.run AND number = name WHERE device.run = ? ORDER BY name",
                              run));
  CHECK(for_each(std::move(devices), [&](const Query& row) -> Result<void> {
    TRY(DeviceRecord device, device_of(row));
    record.devices.push_back(std::move(device));
    return {};
  }));
  for (const FiguresRow& row : recent.figures) {
    const auto name = names.find(row.device);
    const auto device =
        name == names.end()
            ? record.devices.end()
            : std::ranges::find(record.devices, name->second,
                                [](const DeviceRecord& d) -> const std::string& { return d.device.id; });
    if (device != record.devices.end()) take_figures(row, *device);
  }
  CHECK(read_work(db, run, record));
  CHECK(read_quantities(db, run, record));
  CHECK(read_checks(db, run, record));
  CHECK(read_corrections(db, run, record));
  CHECK(read_ranks(db, run, record));
  CHECK(read_entries(db, run, recent, names, record));
  TRY(Query phases, db.query("SELECT text, count, duration_ns FROM phase "
                             "JOIN name ON name.run = phase.run AND number = name WHERE phase.run = ? ORDER BY name",
                             run));
  CHECK(for_each(std::move(phases), [&](const Query& row) {
    record.phases.push_back({.path = row.text(0), .count = row.u64(1), .duration = row.i64(2)});
  }));
  CHECK(read_phase_work(db, run, record));
  CHECK(read_spans(db, run, record));
  CHECK(read_phase_quantities(db, run, record));
  TRY(Query gaps, db.query("SELECT text, started_wall_ns, length_ns, reason FROM gap "
                           "JOIN name ON name.run = gap.run AND number = device WHERE gap.run = ? ORDER BY gap.rowid",
                           run));
  return for_each(std::move(gaps), [&](const Query& row) {
    record.gaps.push_back(
        {.device = row.text(0), .started_wall = row.i64(1), .length = row.i64(2), .reason = row.text(3)});
  });
}

}  // namespace

Result<RunStatus> read_status(const Query& row, int column) {
  const auto status = parse_run_status(row.view(column));
  if (!status) return fail(Errc::malformed, "run " + row.text(0) + ": no such status: '" + row.text(column) + "'");
  return *status;
}

Result<std::map<std::int64_t, std::string>> names_of(Connection& db, std::int64_t run) {
  std::map<std::int64_t, std::string> names;
  TRY(Query query, db.query("SELECT number, text FROM name WHERE run = ? ORDER BY number", run));
  CHECK(
      for_each(std::move(query), [&](const Query& row) { names.emplace_hint(names.end(), row.i64(0), row.text(1)); }));
  return names;
}

Result<RunRecord> read_run(Connection& db, std::string_view id) {
  TRY(const auto key, run_key(db, id));
  if (!key) return fail(Errc::absent, "no run " + std::string{id} + " in " + db.path().string());
  RunRecord record;
  {
    TRY(Query query, db.query(kSelectRun, *key));
    TRY(const bool row, query.next());
    if (!row) return fail(Errc::absent, "no run " + std::string{id} + " in " + db.path().string());
    TRY(record.run, run_of(query));
  }
  CHECK(read_parts(db, *key, record));
  return record;
}

}  // namespace everywatt
