// The calibrations of a host, applied to the channels that they hold for.
#pragma once
#include <optional>
#include <span>

#include "model/calibration.h"
#include "model/device.h"

namespace everywatt {

// The channel's own, else the newest of another sensor that shows what the same circuit measures: a GPU board's, read
// through its driver's library, and a processor's, whose registers are read in two ways. Never of a model.
std::optional<Calibration> calibration_for(const Channel& channel, std::span<const Calibration> calibrations);

// Scale and offset become those of what is true. The systematic uncertainty becomes that of the calibration where that
// is the channel's own; that another sensor's holds as well is likely, not seen, and leaves it as it was.
void calibrate(Channel& channel, const Calibration& calibration);

}  // namespace everywatt
