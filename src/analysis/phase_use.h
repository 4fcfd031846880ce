// What a bill's phases were bound by, with the figures that say so: a view over what devices did in each phase
// (model/phase_quantity.h), how long the job waited there, and what accelerators can do at most.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "account/bill.h"
#include "analysis/bottleneck.h"
#include "base/units.h"

namespace everywatt {

// One GPU in one phase. Shares are of the GPU as a whole, whoever used it; `worked` is the run's part.
struct GpuInPhase {
  std::string device;
  double observed_seconds = 0;  // for which the shares of its parts are known
  std::optional<double> worked = {};
  std::optional<double> sm = {};
  GpuUse use = {};
  std::optional<Bandwidth> peak = {};
  std::string peak_source = {};  // "data/accelerators.csv: ml-engineering, high", "driver: …"; of none: why
  std::string reason = {};       // why the shares are not known

  [[nodiscard]] std::optional<Bandwidth> bandwidth() const {
    return use.memory && peak ? std::optional{*use.memory * *peak} : std::nullopt;
  }
};

struct PhaseBottleneck {
  PhaseUse use = {};
  Verdict verdict = {};
  std::string longest_sync = {};                   // wait for others: "gradients"
  std::optional<double> cpus = {};                 // that the run's processes kept busy, on average
  double input_cpu_seconds = 0;                    // of loader workers
  std::optional<double> input_workers = {};        // mean of those that lived; none: none were named
  std::optional<double> input_workers_busy = {};   // share of their time
  std::vector<GpuInPhase> gpus = {};               // that the run was charged for
  std::optional<Bandwidth> memory_bandwidth = {};  // of all packages
  std::string memory_reason = {};                  // why it is not known
};

// Of bill.phases, in their order.
std::vector<PhaseBottleneck> phase_bottlenecks(const Bill& bill);
// Of all of a run.
PhaseBottleneck run_bottleneck(const Bill& bill);

}  // namespace everywatt
