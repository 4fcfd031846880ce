// The /sys and /proc of a scenario's machine: powercap zones whose counters move,
// a topology, and a /proc/stat that goes on with the packages' utilisation.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "tests/lab/scenario.h"

namespace everywatt::lab {

class MachineTree {
 public:
  // Makes ROOT/sys and ROOT/proc, as they are at the scenario's start.
  static Result<MachineTree> compose(const Scenario& scenario, const std::filesystem::path& root);

  // Moves all that moves to a time, each file in place and in one write, as the
  // kernel shows it to who keeps the file open.
  Result<void> show(Nanoseconds time);

  // Takes away what everywatt leaves in /dev/shm for this machine alone.
  void forget_presence() const;

 private:
  struct Zone {
    Fd file;
    Counter counter;
  };

  MachineTree(const Scenario& scenario, std::filesystem::path root);
  Result<void> add_zone(const std::string& directory, const std::string& name, const PowerShape& power,
                        const CounterSensor& sensor, std::optional<Power> limit);
  Result<void> write_topology() const;
  Result<void> write_proc() const;
  // Of each CPU of a package, since the machine was started.
  struct Ticks {
    std::uint64_t busy = 0;
    std::uint64_t idle = 0;
    bool operator==(const Ticks&) const = default;
  };
  std::vector<Ticks> ticks_at(Nanoseconds time) const;  // package by package
  std::string stat_of(const std::vector<Ticks>& ticks) const;

  std::vector<Package> packages_;  // at least one
  bool has_zones_;
  std::string processor_;
  std::filesystem::path root_;
  std::vector<Zone> zones_ = {};
  Fd stat_ = {};
  std::vector<Ticks> shown_ = {};  // in it
};

}  // namespace everywatt::lab
