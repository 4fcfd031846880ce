// The parts of `everywatt calibrate` that know a sensor's gain and offset: they
// are found against a meter one trusts, listed, and forgotten.
#pragma once
#include "cli/command.h"

namespace everywatt {

Result<int> calibrate_gain(Context&, Args);
Result<int> calibrate_list(Context&, Args);
Result<int> calibrate_forget(Context&, Args);

}  // namespace everywatt
