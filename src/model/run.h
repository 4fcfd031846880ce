// A run and what is recorded of it: facts only. Carbon, money, bills and
// verdicts are views, computed from these when asked.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/accounts.h"
#include "model/calibration.h"
#include "model/device.h"
#include "model/phase_quantity.h"

namespace everywatt {

enum class RunStatus { running, finished, failed, killed, lost };
std::string_view to_string(RunStatus);
std::optional<RunStatus> parse_run_status(std::string_view);

struct NetworkBytes {
  std::string kind;  // internet, private, loopback
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  bool lower_bound = false;  // some connections may have gone unseen
  bool operator==(const NetworkBytes&) const = default;
};

// What the run's processes used beside energy.
struct Usage {
  Nanoseconds cpu_time = 0;  // user and system, exited children included
  std::optional<std::uint64_t> peak_memory_bytes = {};
  std::optional<std::uint64_t> disk_read_bytes = {};
  std::optional<std::uint64_t> disk_written_bytes = {};
  std::vector<NetworkBytes> network = {};
  std::string method = {};  // how cpu_time was told: cgroup, process-tree
  bool operator==(const Usage&) const = default;
};

// The supervisor's identity: while it lives, a run that says `running` runs.
struct Supervisor {
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat: pids are used again
  std::string boot_id = {};
  bool operator==(const Supervisor&) const = default;
};

struct Overhead {
  Nanoseconds cpu_time = 0;
  std::uint64_t peak_rss_bytes = 0;
  std::uint64_t marks_dropped = 0;
  bool operator==(const Overhead&) const = default;
};

struct Run {
  std::string id;
  std::string name = {};
  std::string project = {};
  std::string model = {};
  std::string model_version = {};
  std::string origin = "job";  // job, attach, import
  RunStatus status = RunStatus::running;
  std::optional<std::string> parent = {};  // the run that this one is nested in
  std::vector<std::string> command = {};
  std::optional<int> exit_status = {};
  std::optional<std::string> ended_by = {};  // "signal 9 (Killed)", budget …
  Instant started = {};
  std::optional<Instant> ended = {};  // while it says `running`: the last moment that was recorded
  std::map<std::string, std::string> tags = {};
  std::map<std::string, double> metrics = {};
  std::map<std::string, double> work = {};  // that the job counted: steps, tokens, flops_bf16 … (model/work_name.h)
  std::map<std::string, std::string> environment = {};  // host, cpu, kernel, git commit …
  std::string boundary = "components";                  // what the sums contain: components, node
  std::string host = {};
  Usage usage = {};
  Overhead overhead = {};
  Supervisor supervisor = {};
  std::vector<std::string> notices = {};  // what a reader of the bill must know, one line each
  bool operator==(const Run&) const = default;
};

// How a device fared over the run in one respect: a mean and its extremes, or
// what was counted; or neither, and why.
struct QuantityRecord {
  std::string name;                  // graphics_clock
  std::string unit = {};             // mhz, celsius, watts, bytes, seconds; empty: a plain number or a share of 1
  std::optional<double> mean = {};   // over `observed`
  std::optional<double> least = {};  // of what was read
  std::optional<double> most = {};
  std::optional<double> total = {};        // of what is counted: since the device was first read in the run
  bool is_sampled = false;                 // the total is of looks now and then, not of a counter
  Nanoseconds observed = 0;                // time for which it is known; 0: one look
  std::optional<std::string> reason = {};  // why there is no figure
  bool operator==(const QuantityRecord&) const = default;
};

// How another sensor of a device compares with the one that supplies its energy.
struct CrossCheck {
  std::string sensor;
  double ratio = 1;      // of its mean power to the elected sensor's
  Nanoseconds over = 0;  // how long both were read
  bool operator==(const CrossCheck&) const = default;
};

// What is known of one device within one run, beside its entries.
struct DeviceRecord {
  Device device = {};
  bool counted = true;
  std::optional<Method> method = {};          // of the elected channel; none: no figure, see reason
  std::string sensor = {};                    // of the elected channel
  std::optional<Correction> correction = {};  // of what the sensor reads, that the figures have; none: not calibrated
  std::string correlation = {};               // devices of equal key err together; empty: on its own
  std::optional<MicroJoules> measured = {};   // none: no figure, see reason
  MicroJoules uncertainty_random = 0;         // standard uncertainty (k = 1)
  MicroJoules uncertainty_systematic = 0;     // standard uncertainty (k = 1)
  Nanoseconds observed = 0;                   // time in which the sensor was seen to work
  Nanoseconds busy_time = 0;                  // device time that the run's work took, divided by its CPUs
  Nanoseconds reserved_time = 0;              // run time × its share of the reservation
  bool utilisation_known = true;              // else idle is not known either
  std::vector<std::string> flags = {};        // proxy:cpu-time, sensor-disagreement, counter-reset …
  std::optional<std::string> reason = {};     // why there is no figure
  std::vector<QuantityRecord> quantities = {};
  std::vector<CrossCheck> checks = {};
};

// (device, phase path, account, minute) of one run. Entries of equal key add up.
struct Entry {
  std::string device;
  std::string phase = {};  // "train/epoch"; "" is time outside any phase
  Account account = Account::busy;
  std::int64_t minute = 0;  // minutes since 1970-01-01 UTC, of the window's start
  MicroJoules energy = 0;
};

// A stretch in which a device was not observed.
struct Gap {
  std::string device;
  Nanoseconds started_wall = 0;
  Nanoseconds length = 0;
  std::string reason;
};

struct PhaseStat {
  std::string path;
  std::uint64_t count = 0;
  Nanoseconds duration = 0;  // children included
  std::map<std::string, double> work =
      {};  // that was counted in it, children not included; of what Run::work holds, no steps
};

// One rank of a job of several that step together, over the steps that all of them made.
struct RankRecord {
  int rank = 0;
  std::int64_t pid = 0;
  std::uint64_t steps = 0;           // that it made with the others
  Nanoseconds duration = 0;          // of these steps
  Nanoseconds waited = 0;            // in them
  Nanoseconds waited_on_others = 0;  // beyond what every rank waited
  MicroJoules energy = 0;            // charged to it, over the whole run
  MicroJoules energy_waited = 0;     // of that in waits on others …
  MicroJoules energy_caused = 0;     // … and by others in waits on it: both sum to the same over all ranks
  double lateness = 0;               // behind the median of the others, in parts of a step: the median over steps
  double late_share = 0;             // of steps in which it was late by more than a tenth of one
  bool operator==(const RankRecord&) const = default;
};

// One time that the main thread of a process was in a phase.
struct Span {
  std::uint64_t number = 0;  // of all spans of the run, in the order of their begins
  std::string path = {};
  std::uint32_t process = 0;  // its place among the processes that spoke
  Nanoseconds begin = 0;      // CLOCK_MONOTONIC
  Nanoseconds end = 0;
  MicroJoules energy = 0;  // charged to the run on counted devices meanwhile, children included
  bool operator==(const Span&) const = default;
};

// Everything recorded of one run but its series.
struct RunRecord {
  Run run;
  std::vector<DeviceRecord> devices = {};
  std::vector<Entry> entries = {};
  std::vector<PhaseStat> phases = {};
  std::vector<Span> spans = {};
  std::vector<Gap> gaps = {};
  std::vector<RankRecord> ranks = {};
  std::vector<PhaseQuantity> phase_quantities = {};
};

// What `ls` shows of a run. Sums are over counted devices.
struct RunSummary {
  std::string id;
  std::string name = {};
  std::string project = {};
  std::string model = {};
  RunStatus status = RunStatus::running;
  std::optional<std::string> parent = {};
  Instant started = {};
  std::optional<Instant> ended = {};
  std::optional<MicroJoules> total;  // busy + idle; none: no device has a figure
  std::optional<MicroJoules> measured;
};

// What is kept against time within a run, the source from which entries can be rebuilt.
enum class Track : std::uint8_t {
  energy,      // cumulative microjoules of the device
  worked,      // cumulative nanoseconds that the device worked for anyone; -1 where that is not known
  ours,        // cumulative nanoseconds that it worked for this run
  reserved,    // weight of this run's reservation since the last point, out of kWholeDevice
  unreserved,  // weight of what nobody reserved, likewise
  floor,       // microwatts that all runs of the host agreed on since the last point; -1: this run was alone
};
std::string_view to_string(Track);

inline constexpr std::array kTracks = {Track::energy,   Track::worked,     Track::ours,
                                       Track::reserved, Track::unreserved, Track::floor};

template <class T>
struct ByTrack {
  std::array<T, kTracks.size()> of_all = {};
  T& operator[](Track track) { return of_all[static_cast<std::size_t>(track)]; }
  const T& operator[](Track track) const { return of_all[static_cast<std::size_t>(track)]; }
};

struct SeriesPoint {
  Nanoseconds time = 0;  // CLOCK_MONOTONIC
  std::int64_t value = 0;
  bool operator==(const SeriesPoint&) const = default;
};

// All tracks of one device; times ascend within each.
using Tracks = ByTrack<std::vector<SeriesPoint>>;
void append(Tracks later, Tracks& to);

// What happened to one run since the last append. Entries add to what is
// there; devices, phases and spans replace their earlier rows (a device without
// quantities or checks keeps those that are there); gaps and points follow the earlier ones.
struct RunDelta {
  std::vector<DeviceRecord> devices = {};
  std::vector<Entry> entries = {};
  std::vector<PhaseStat> phases = {};
  std::vector<Span> spans = {};
  std::vector<Gap> gaps = {};
  struct Series {
    std::string device;
    Tracks points = {};  // times ascend, also across deltas
  };
  std::vector<Series> series = {};                   // a device has one at most
  std::vector<RankRecord> ranks = {};                // replace the earlier ones
  std::vector<PhaseQuantity> phase_quantities = {};  // likewise, row by row
};

}  // namespace everywatt
