// A sensor's energy curve against one that is trusted: the line that makes the
// one the other, second by second, and how far their clocks are apart.
#pragma once
#include <optional>

#include "model/energy_curve.h"
#include "model/line_fit.h"

namespace everywatt {

struct CurveFit {
  LineFit line;             // of mean watts
  Nanoseconds late = 0;     // what was drawn at t on the sensor's clock is at t + late on the other's
  std::size_t seconds = 0;  // that were compared
  double mean_watts = 0;    // of the trusted one
};

// None where they share fewer than three seconds, or power never changes there.
std::optional<CurveFit> fit_curves(const EnergyCurve& sensor, const EnergyCurve& trusted);

}  // namespace everywatt
