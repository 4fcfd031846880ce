// What `doctor --fix` does: a udev rule that lets one group read the
// processors' energy counters, and the same done at once to what is there.
#pragma once
#include <filesystem>
#include <string>

#include "cli/command.h"

namespace everywatt {

struct Remedy {
  std::string group;
  std::filesystem::path rules;  // folder of udev rules
};

// Errc::denied where we are not root: nothing is changed, the rule is shown.
Result<int> install_remedy(Context& context, const Remedy& remedy);

}  // namespace everywatt
