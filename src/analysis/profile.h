// What a run is compared by: its surroundings, its figures, and each time of one phase (an epoch) with its energy. Made
// of a bill, and complete without it, so that it can be kept when the run is gone.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "account/bill.h"
#include "base/result.h"

namespace everywatt {

struct Profile {
  std::string run = {};       // id
  std::string name = {};      // of the run
  std::string model = {};     // of what it trains; the run's name where none is given
  std::string hardware = {};  // of equal text, figures can be compared
  std::string boundary = {};
  std::map<std::string, std::string> environment = {};
  std::string phase = {};                  // "epoch"; the figures below of one time are of this one
  std::vector<PhaseTime> times = {};       // in the order of their begins
  Nanoseconds duration = 0;                // of the run, as all that follows
  std::optional<MicroJoules> energy = {};  // charged
  std::optional<MicroJoules> idle = {};
  MicroJoules waits = 0;             // charged in phases "wait:…"
  std::optional<double> flops = {};  // that the job counted
};

// Of what the run used: "AMD EPYC 7763 64-Core Processor, 128 CPUs + 8 × NVIDIA A100-SXM4-80GB".
std::string hardware_of(const Bill& bill);

// `phase`: a path, or the end of one: "epoch" is "train/epoch" too where no other path ends so. Errc::absent: none
// does; the text lists those that there are.
Result<Profile> profile_of(const Bill& bill, const std::string& phase);

}  // namespace everywatt
