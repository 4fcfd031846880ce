// The bill: what one run cost, as a view over what was recorded. Computed each
// time it is asked for; nothing here is stored.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "account/compute.h"
#include "account/spread.h"
#include "model/run.h"

namespace everywatt {

// Figures of one device or of the sum. Any may be missing; missing is not zero.
struct EnergyFigures {
  std::optional<MicroJoules> measured = {};  // busy + idle + other + unattributed
  std::optional<MicroJoules> total = {};     // busy + idle: what is charged to the run
  std::optional<MicroJoules> busy = {};
  std::optional<MicroJoules> idle = {};
  std::optional<MicroJoules> other = {};
  std::optional<MicroJoules> unattributed = {};
  std::optional<MicroJoules> uncertainty = {};             // half-width of the 95 % interval of measured
  std::optional<MicroJoules> uncertainty_systematic = {};  // its systematic part
  std::optional<MicroJoules> total_uncertainty = {};       // the same of total: each device's, by the part charged
};

struct DeviceBill {
  DeviceRecord record;
  EnergyFigures energy;
  double coverage = 0;  // share of the run's time in which its sensor was seen to work
};

struct PhaseBill {
  std::string path;  // "" is time outside any phase
  std::uint64_t count = 0;
  Nanoseconds duration = 0;
  MicroJoules energy = 0;  // children included
  MicroJoules self = 0;
  std::vector<PhaseTime> times = {};           // each that is kept, of those of main threads that ended
  std::map<std::string, double> work = {};     // that was counted in it, children included
  std::optional<ComputeFigures> compute = {};  // none: no floating-point operations are of it
};

// What the building drew for the run, where the site has said how to tell.
struct Facility {
  std::optional<double> pue = {};
  MicroJoules energy = 0;
  std::string boundary;  // "components + power supply + building"
};

struct Bill {
  Run run;
  Nanoseconds duration = 0;
  EnergyFigures energy = {};                     // over counted devices
  std::optional<double> measured_fraction = {};  // of measured: by counters and integrated power, not by models
  std::optional<Facility> facility = {};
  std::vector<DeviceBill> devices = {};
  std::vector<DevicePeak> peaks = {};  // that `compute` is held against
  ComputeFigures compute = {};
  std::vector<PhaseBill> phases = {};
  std::vector<Gap> gaps = {};
  std::vector<RankRecord> ranks = {};
  std::vector<PhaseQuantity> phase_quantities = {};
};

// `until`: for a run that has not ended, the moment up to which it is billed.
Bill bill_of(RunRecord record, std::optional<Instant> until = {});

}  // namespace everywatt
