// A phase's verdict with its figures, as the bill's JSON has it (docs/formats/bill.md).
#pragma once
#include <nlohmann/json_fwd.hpp>

#include "analysis/phase_use.h"

namespace everywatt {

nlohmann::ordered_json bottleneck_json(const PhaseBottleneck& phase);

}  // namespace everywatt
