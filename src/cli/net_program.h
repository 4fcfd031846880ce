// everywatt-net, the program beside this one that talks to networks. It stands
// apart so that measuring links no more than measuring needs.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace everywatt {

// Becomes it: returns only where that fails.
Error become_net_program(const std::vector<std::string>& arguments);

// Starts it for itself: a session of its own, no terminal, no child of ours, our
// files closed. Called while this process has no job yet, since it could not tell its own orphans from the job's
// afterwards.
Result<void> start_net_program(const std::vector<std::string>& arguments);

}  // namespace everywatt
