// What the devices of a scenario truly used between two times: the figure that a
// measurement is held to.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "tests/lab/scenario.h"

namespace everywatt::lab {

struct DeviceTruth {
  std::string id;  // "gpu:GPU-…", "module:GPU-…", "package:0", "dram:0"
  Energy total = {};
  Energy idle = {};  // idle power × time
  Energy busy = {};  // the rest
  // By the process's name in the scenario: its share of what the GPU's power had above
  // idle, and an even part of the context power. What no share covers is nobody's.
  std::map<std::string, Energy> processes = {};
};

// From and to count from the scenario's start.
std::vector<DeviceTruth> truth_of(const Scenario& scenario, Nanoseconds from, Nanoseconds to);

}  // namespace everywatt::lab
