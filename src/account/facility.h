// From the components' energy to what the building drew for it. Terms that the
// site has not set are left out, and the boundary names what is in.
#pragma once
#include <optional>
#include <string>

#include "account/bill.h"
#include "base/units.h"

namespace everywatt {

// [site] of the configuration.
struct Site {
  std::optional<double> pue = {};             // annual, ISO/IEC 30134-2
  std::optional<double> psu_efficiency = {};  // components / efficiency = wall
  std::optional<Power> node_overhead = {};    // board, fans, disks
};

// (charged components / psu_efficiency + node overhead × time) × PUE. A node
// meter that was measured beside the components stands for the first two. None
// where the site sets nothing or the run has no figure.
std::optional<Facility> facility_of(const Bill& bill, const Site& site);

}  // namespace everywatt
