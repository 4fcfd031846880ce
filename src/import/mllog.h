// `import mllog DIR`: a power record of MLPerf training. The run is
// run_start..run_stop of its result; each node_*.txt is a node's meter, which
// counts, since the record has no meters of components; sw_*.txt are estimates
// and do not count.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "import/imported.h"

namespace everywatt {

struct MllogFiles {
  struct File {
    std::string name;  // within the folder
    std::string text;
  };
  std::string folder;  // its name, for the run's
  File result;
  std::vector<File> nodes = {};  // in the order in which the devices shall be
  std::vector<File> switches = {};
  std::optional<File> total = {};  // total_power.txt
};

// Pure. Errc::malformed where the run's begin or end cannot be told.
Result<Imported> parse_mllog_files(const MllogFiles& files);

// Reads the folder: result.txt (or the only result_*.txt), node_*.txt,
// sw_*.txt and total_power.txt.
Result<Imported> import_mllog(const std::filesystem::path& folder);

}  // namespace everywatt
