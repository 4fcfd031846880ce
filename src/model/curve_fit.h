// A sensor's energy curve against one that is trusted: the line that makes the
// one the other, from reading to reading, and how far their clocks are apart.
#pragma once
#include <optional>
#include <vector>

#include "model/energy_curve.h"
#include "model/line_fit.h"

namespace everywatt {

struct CurveFit {
  LineFit line;              // of mean watts
  Nanoseconds late = 0;      // what was drawn at t on the sensor's clock is at t + late on the other's
  Nanoseconds compared = 0;  // time of the pieces
  double mean_watts = 0;     // of the trusted one

  std::vector<LineFit> as_likely = {};  // at other times between the clocks, which the pieces allow as well

  // Standard error of the line, with that of the clocks.
  [[nodiscard]] double error_at(double watts) const;
  // The same where it is furthest off between idle and the limit of what the sensor measures.
  [[nodiscard]] double error_watts(double limit_watts) const;
  // Relative standard error of what it corrects there: the line's own, and what it leaves.
  [[nodiscard]] double relative_error(double limit_watts) const;
};

// The energies of a sensor are known at its readings, of which those a second apart are compared. None where both saw
// fewer than three such pieces, or power never changes there.
std::optional<CurveFit> fit_curves(const EnergyCurve& sensor, const EnergyCurve& trusted);

}  // namespace everywatt
