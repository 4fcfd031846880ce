// result.txt of an MLPerf training submission: the log of the training, in
// which ":::MLLOG" records stand among other output. It says when the run was,
// what it was, how it went, and which phases it had.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "import/power_trace.h"
#include "model/phase.h"

namespace everywatt {

struct MllogResult {
  TimeSpan run;         // run_start to run_stop; has a length
  bool success = true;  // by run_stop's own word, where it has one
  std::vector<PhaseSpan> phases = {};
  std::map<std::string, std::string> tags = {};
  std::map<std::string, double> metrics = {};  // of a figure that repeats, the last
  std::map<std::string, std::string> environment = {};
  std::vector<std::string> notices = {};
};

// `name` is the file's, for messages. Errc::malformed where the run's begin or
// end is missing, doubled or in the wrong order.
Result<MllogResult> parse_mllog_result(std::string_view name, std::string_view text);

}  // namespace everywatt
