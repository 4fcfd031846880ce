// The floating-point operations of a run or a phase, as JSON: the figures, and under "reasons" why any is null.
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "account/compute.h"

namespace everywatt {

nlohmann::ordered_json compute_figures_json(const ComputeFigures& figures);
nlohmann::ordered_json peaks_json(std::span<const DevicePeak> peaks);

}  // namespace everywatt
