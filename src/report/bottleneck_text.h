// What phases were bound by, in words and figures.
#pragma once
#include <string>

#include "account/bill.h"
#include "analysis/phase_use.h"

namespace everywatt {

// "DRAM 82 % of 3.35 TB/s, tensor cores 11 %"; of a verdict that is not known, why.
std::string evidence_of(const PhaseBottleneck& phase);

// Lines of the bill: of phases that take a twentieth of the run and have a verdict that the phase around them has not.
// Empty where there is nothing to say.
std::string bottleneck_lines(const Bill& bill);

}  // namespace everywatt
