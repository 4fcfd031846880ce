// What a person says of a run when it is started: its name, where it belongs, tags and metrics. `run` and `attach` take
// the same flags for it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cli/flags.h"
#include "model/run.h"

namespace everywatt {

class RunLabels {
 public:
  void add_options(Flags& flags);
  // Sets them on the run; one without a name gets `usual_name`. Errc::misuse: a tag or a metric that is none.
  Result<void> describe(Run& run, const std::string& usual_name) const;

 private:
  std::optional<std::string> name_, project_, model_, model_version_;
  std::vector<std::string> tags_, metrics_;
};

}  // namespace everywatt
