// Who shares the machine, and what part of its idle energy is whose. Every
// everywatt of a host reads the same presences and computes the same division,
// each for itself, so that the shares of all sum to at most one.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/accounts.h"

namespace everywatt {

// The kernel's count of a package's work at one moment.
struct WorkReading {
  Nanoseconds time = 0;      // CLOCK_MONOTONIC
  std::string device;        // package:0
  std::uint64_t worked = 0;  // nanoseconds summed over its CPUs
};

// One run's presence on the host.
struct Tenant {
  std::string run;
  std::string parent = {};  // the run it is nested in; its share comes out of that run's
  // What it measures: this process and all that descend from it, never another
  // with the same number.
  struct Root {
    std::int64_t pid = 0;
    std::uint64_t start_ticks = 0;    // since boot, field 22 of /proc/PID/stat
    std::uint64_t pid_namespace = 0;  // inode of /proc/self/ns/pid
    bool operator==(const Root&) const = default;
  } root = {};
  Reservation reservation = {};
  Nanoseconds from = 0;                // CLOCK_MONOTONIC
  std::optional<Nanoseconds> to = {};  // none: still there
  // What the run read as it came and as it went: the others cut their windows
  // there, and read once a second.
  std::vector<WorkReading> readings = {};
};

// Whether another run than `run` was there at some time of [from, to].
enum class Company { alone, shared };
Company company_of(std::string_view run, std::span<const Tenant> tenants, Nanoseconds from, Nanoseconds to);

// Weights out of kWholeDevice, averaged over a stretch of time.
struct IdleShare {
  std::uint64_t ours = 0;
  std::uint64_t unreserved = 0;
};

// Those who are there throughout some stretch of time, in the order of their runs.
using Present = std::vector<const Tenant*>;

// The one of this run, and the one that a run is nested in; null: it is not there.
const Tenant* find(const Present&, std::string_view run);
const Tenant* parent_of(const Present&, const Tenant&);

// The mean over [from, to] of what `share_of` says of those who are there. Each of them has an end of its parents.
IdleShare mean_share(std::span<const Tenant> tenants, Nanoseconds from, Nanoseconds to,
                     const std::function<IdleShare(const Present&)>& share_of);

// The share of `run` in the idle energy of a device with these CPUs over
// [from, to]. A nested run gets what its parent has, divided evenly among the
// parent's nested runs; the parent's own share is not lessened by them, since
// their joules are part of its.
IdleShare idle_share(std::span<const unsigned> cpus, std::span<const Tenant> tenants, std::string_view run,
                     Nanoseconds from, Nanoseconds to);

}  // namespace everywatt
