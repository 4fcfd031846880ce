// What devices did in each phase of a run, and what the run's processes worked there: each look of a sensor is divided
// over the phases by the time that each of them filled of it. A sensor that is read once a second says the same of all
// phases of one second; how much of it is a phase's own is kept beside (PhaseQuantity::resolved).
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meter/run_phases.h"
#include "model/phase_quantity.h"

namespace everywatt {

class PhaseQuantities {
 public:
  PhaseQuantities() = default;
  PhaseQuantities(const PhaseQuantities&) = delete;  // last_ points into sums_
  PhaseQuantities& operator=(const PhaseQuantities&) = delete;

  struct Look {
    std::string_view device;  // "": the run's own processes
    std::string_view name;
    Nanoseconds from = 0;
    Nanoseconds to = 0;  // after `from`
    double amount = 0;   // as PhaseQuantity::sum
  };
  void add(const Look& look, const RunPhases& phases);
  // The same where one process alone is meant.
  void add(const Look& look, const ProcessKey& process, const RunPhases& phases);
  // What was told so far outside any phase was `startup`.
  void begin_work();

  [[nodiscard]] std::vector<PhaseQuantity> records(const RunPhases& phases) const;

 private:
  struct Sum {
    double amount = 0;
    double observed = 0;  // ns
    double resolved = 0;
  };
  using ByPath = std::map<std::uint32_t, Sum>;
  void add(const Look& look, const std::vector<RunPhases::Part>& parts, const RunPhases& phases);

  ByPath& sums_of(const Look& look);

  using ByName = std::map<std::string, ByPath, std::less<>>;
  using ByDevice = std::map<std::string, ByName, std::less<>>;
  ByDevice sums_;
  ByDevice::value_type* last_ = nullptr;  // of which it was told: the next look is mostly at the same device
};

}  // namespace everywatt
