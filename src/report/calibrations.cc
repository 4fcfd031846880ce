#include "report/calibrations.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {

std::string in_words(const Calibration& calibration) {
  return fmt::format("calibrated {} against {}: gain {:.4f}, offset {:.2f} W", local_time(calibration.made_wall),
                     calibration.source, calibration.gain, calibration.offset_watts);
}

nlohmann::ordered_json calibration_json(const Calibration& calibration) {
  return {{"device", calibration.device},
          {"sensor", calibration.sensor},
          {"gain", calibration.gain},
          {"offset_watts", calibration.offset_watts},
          {"relative_uncertainty", calibration.relative_uncertainty},
          {"source", calibration.source},
          {"made", iso_time(calibration.made_wall)}};
}

std::string calibrations_text(std::span<const Calibration> calibrations, const Style& style) {
  std::string out;
  for (const Calibration& one : calibrations) {
    // Two standard deviations, as on the bill.
    out += style.strong(one.device) + "  " + one.sensor + "\n" +
           paragraph(4, "", in_words(one) + "; ± " + show_percent(2 * one.relative_uncertainty) + " remains");
  }
  return out;
}

std::string calibrations_json(std::string_view host, std::span<const Calibration> calibrations) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Calibration& one : calibrations) rows.push_back(calibration_json(one));
  const nlohmann::ordered_json out{
      {"schema", "everywatt.calibrations/1"}, {"host", host}, {"calibrations", std::move(rows)}};
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace everywatt
