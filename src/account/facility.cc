#include "account/facility.h"

#include <algorithm>
#include <cmath>

namespace everywatt {
namespace {

// The run's part of what the node's meter says beyond the components: as its part of the components.
std::optional<double> measured_rest(const Bill& bill) {
  const auto rest = std::ranges::find_if(bill.devices, [](const DeviceBill& d) {
    return d.record.device.kind == DeviceKind::rest_of_node && d.energy.measured && !d.record.reason;
  });
  if (rest == bill.devices.end() || bill.energy.measured.value_or(0) == 0) return std::nullopt;
  const double share = static_cast<double>(*bill.energy.total) / static_cast<double>(*bill.energy.measured);
  return share * static_cast<double>(*rest->energy.measured);
}

}  // namespace

std::optional<Facility> facility_of(const Bill& bill, const Site& site) {
  if (!bill.energy.total || (!site.pue && !site.psu_efficiency && !site.node_overhead)) return std::nullopt;
  double microjoules = static_cast<double>(*bill.energy.total);
  std::string boundary = bill.run.boundary;
  if (const auto rest = measured_rest(bill)) {
    microjoules += *rest;
    boundary += " + measured rest of node";
  } else if (bill.run.boundary != "node") {
    if (site.psu_efficiency) {
      microjoules /= *site.psu_efficiency;
      boundary += " + power supply";
    }
    if (site.node_overhead) {
      microjoules += (*site.node_overhead / watt) * static_cast<double>(bill.duration) / 1e3;
      boundary += " + node overhead";
    }
  }
  if (site.pue) {
    microjoules *= *site.pue;
    boundary += " + building";
  }
  constexpr double kMost = 9e18;  // microjoules that an integer holds, 2.5 TWh: beyond it the settings are wrong
  if (!(microjoules < kMost)) return std::nullopt;
  return Facility{.pue = site.pue, .energy = std::llround(microjoules), .boundary = boundary};
}

}  // namespace everywatt
