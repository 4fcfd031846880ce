// The tables of the ledger (docs/formats/store.md says what each column means)
// and the way from older versions to this one. PRAGMA user_version holds the
// version; a newer file is refused, an older one is brought up to date.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "store/sqlite.h"

namespace everywatt {

// "EWTT", in PRAGMA application_id: file(1) and we tell our files from others' by it.
inline constexpr std::int64_t kApplicationId = 0x45575454;

// Element n leads from version n to version n + 1. Never edited once released: a change is one more element.
std::span<const char* const> migrations();

// Brings the file to the version that `steps` lead to. Errc::io: the file is
// of a newer version; misuse: it is another program's.
Result<void> migrate(Connection& db, std::span<const char* const> steps);

// A table whose rows belong to a run, and its columns but `run`. Rows of `recent_points` do, too, and have none
// (store/point_rows.h).
struct RunTable {
  const char* name;
  const char* columns;
};
inline constexpr std::array kRunTables = {
    RunTable{"name", "number, text"},
    RunTable{"device",
             "name, kind, model, parent, follows, cpus, includes_memory, counted, method, sensor, correlation, "
             "measured_uj, uncertainty_random_uj, uncertainty_systematic_uj, observed_ns, busy_ns, reserved_ns, "
             "utilisation_known, flags, reason"},
    RunTable{"quantity", "device, name, unit, mean, least, most, total, sampled, observed_ns, reason"},
    RunTable{"cross_check", "device, sensor, ratio, over_ns"},
    RunTable{"correction", "device, sensor, gain, offset_watts"},
    RunTable{
        "rank",
        "rank, pid, steps, duration_ns, waited_ns, waited_on_others_ns, energy_uj, waited_uj, caused_uj, lateness, "
        "late_share"},
    RunTable{"work", "what, amount"},
    RunTable{"device_sum", "name, charged_uj, booked_uj"},
    RunTable{"entry", "device, phase, account, minute, energy_uj"},
    RunTable{"recent", "data"},
    RunTable{"phase", "name, count, duration_ns"},
    RunTable{"phase_work", "phase, what, amount"},
    RunTable{"span", "number, phase, process, begin_ns, end_ns, energy_uj"},
    RunTable{"phase_quantity", "phase, device, name, sum, observed_ns, resolved_ns"},
    RunTable{"gap", "device, started_wall_ns, length_ns, reason"},
    RunTable{"chunk", "device, track, first_ns, last_ns, points, data"},
    RunTable{"tail", "number, data"},
};

// The columns of `run` but its key.
inline constexpr const char* kRunColumns =
    "id, recorded_wall_ns, name, project, model, model_version, origin, status, parent, command, exit_status, "
    "ended_by, "
    "started_ns, started_wall_ns, ended_ns, ended_wall_ns, tags, metrics, boundary, host, cpu_ns, peak_memory_bytes, "
    "disk_read_bytes, disk_written_bytes, network, usage_method, overhead_cpu_ns, overhead_peak_rss_bytes, "
    "marks_dropped, supervisor_pid, supervisor_start_ticks, supervisor_boot_id, notices, environment, total_uj, "
    "booked_uj";

}  // namespace everywatt
