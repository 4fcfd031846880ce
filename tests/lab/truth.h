// What the devices of a scenario truly used between two times: the figure that a
// measurement is held to.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/lab/scenario.h"

namespace everywatt::lab {

// How the accounts divide a device's energy (docs/formats/lab.md), were all known at
// every moment: with F its power when nobody works (a context's power is part of it
// while there is one) and U its utilisation, F · (1 − U) is idle, never more than what
// was drawn, and all of it where U < 1/256; the rest is active.
struct AccountsTruth {
  struct Part {
    Energy idle = {};    // evenly among those who have a context; nobody's where there is none
    Energy active = {};  // by the shares of those who live; nobody's where there is none
    Part& operator+=(const Part& more) {
      idle += more.idle;
      active += more.active;
      return *this;
    }
  };
  Part whole = {};
  std::map<std::string, Part> processes = {};  // by the process's name in the scenario
};

struct DeviceTruth {
  std::string id;  // "gpu:GPU-…", "module:GPU-…", "package:0", "dram:0"
  Energy total = {};
  Energy idle = {};  // idle power × time
  Energy busy = {};  // the rest
  // By the process's name in the scenario: its share of what the GPU's power had above
  // idle, and an even part of the context power. What no share covers is nobody's.
  std::map<std::string, Energy> processes = {};
  std::optional<AccountsTruth> accounts = {};  // none: a module has no utilisation of its own
};

// From and to count from the scenario's start.
AccountsTruth accounts_of(const Gpu& gpu, Nanoseconds from, Nanoseconds to);
std::vector<DeviceTruth> truth_of(const Scenario& scenario, Nanoseconds from, Nanoseconds to);

}  // namespace everywatt::lab
