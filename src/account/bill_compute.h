// The floating-point operations of a bill: what the run and each of its phases did, how much of its accelerators' peak
// that was, and what it did for a joule.
#pragma once
#include "account/bill.h"

namespace everywatt {

// Fills in `peaks`, `compute` and each phase's `work` and `compute`; all else of the bill is there.
void add_compute(Bill& bill, const RunRecord& record);

}  // namespace everywatt
