// Books of a record that somebody else made: its devices are wholly its own
// and nobody knows how busy they were, so that all they drew is `busy`.
#pragma once
#include <string>
#include <vector>

#include "meter/phases.h"
#include "model/energy_curve.h"
#include "model/run.h"

namespace everywatt {

// One device's energy over [from, to], minute by minute. Imports have one
// clock: the curve's time is wall time.
std::vector<Entry> book_record(const std::string& device, const EnergyCurve& curve, Nanoseconds from, Nanoseconds to,
                               const PhaseTimeline& phases);

}  // namespace everywatt
