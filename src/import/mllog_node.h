// The files of an MLPerf power record beside its result: node_*.txt with the
// readings of one node's meter, sw_*.txt with the estimate for a switch, and
// the total that was published.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/imported.h"
#include "import/power_trace.h"

namespace everywatt {

struct MllogNode {
  ImportedDevice device = {};               // node:<name of the file without its ending>
  std::vector<PowerReading> readings = {};  // in the order of the file
  std::vector<std::string> notices = {};
};

// Never fails: a file without a reading is a device without a figure.
MllogNode parse_mllog_node(std::string_view file, std::string_view text, TimeSpan run);

// One device for each switch, not counted. Its power is an estimate and is
// taken over the whole run, whenever it was stamped.
std::vector<ImportedDevice> parse_mllog_switch(std::string_view file, std::string_view text, TimeSpan run,
                                               std::vector<std::string>& notices);

// "Total Power Usage: 10.57 kWh"; none: no such line.
std::optional<Energy> parse_mllog_total(std::string_view text);

}  // namespace everywatt
