// What an importer makes of other people's records: one finished run, its
// devices with their energy curves, and its phases. Facts only: who is charged
// is decided by the books, where an import's devices are wholly reserved by it
// and nobody knows how busy they were. The run has no id yet; whoever stores it
// gives one. All times are wall times, and steady time is the same as wall.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/device.h"
#include "model/energy_curve.h"
#include "model/phase.h"
#include "model/run.h"

namespace everywatt {

struct ImportedDevice {
  Device device = {};
  bool counted = true;
  std::optional<Method> method = {};       // none: no figure, see reason
  std::string sensor = {};                 // "mllog", "power-csv:power.draw [W]"
  std::string correlation = {};            // devices of equal key err together
  EnergyCurve curve = {};                  // from the run's start to its end; empty: no figure, see reason
  MicroJoules uncertainty_random = 0;      // standard uncertainty (k = 1)
  MicroJoules uncertainty_systematic = 0;  // standard uncertainty (k = 1)
  std::vector<std::string> flags = {};     // bridged-gap, edge-unseen, bad-lines, duplicate-times …
  std::vector<Gap> gaps = {};              // silences, bridged or unseen; the reason says which
  std::optional<std::string> reason = {};  // why there is no figure
};

struct Imported {
  Run run = {};  // origin "import"; its notices are the findings, one line each
  std::vector<ImportedDevice> devices = {};
  std::vector<PhaseSpan> phases = {};  // ordered by begin, the outer before the inner
};

}  // namespace everywatt
