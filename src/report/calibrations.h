// What sensors were calibrated by, for people and as JSON ("everywatt.calibrations/1").
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "model/calibration.h"
#include "report/style.h"

namespace everywatt {

// "calibrated 2026-11-24 03:02 against wall.csv, 20 s of run x7k2p9: gain 1.0526, offset -5.26 W".
std::string in_words(const Calibration& calibration);
nlohmann::ordered_json calibration_json(const Calibration& calibration);

// Of one host.
std::string calibrations_text(std::span<const Calibration> calibrations, const Style& style);
std::string calibrations_json(std::string_view host, std::span<const Calibration> calibrations);

}  // namespace everywatt
