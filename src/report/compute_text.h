// The floating-point operations of a run, for people.
#pragma once
#include <string>

#include "account/bill.h"

namespace everywatt {

// "1.98e16 FLOP in bf16, 62.1 GFLOP/J; MFU 41 % of what 8 × H100 SXM5 can do at most, HFU 55 %"; empty where nothing
// was counted.
std::string compute_text(const Bill& bill);

}  // namespace everywatt
