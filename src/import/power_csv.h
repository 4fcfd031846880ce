// `import power-csv FILE`: a table of power or energy over time from any meter:
// wall meters, BMC exports, nvidia-smi. What the columns are is told from their
// headers; where that leaves a choice, the import is refused with the option
// that makes it. docs/formats/imports.md lists what is understood.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "import/imported.h"
#include "import/timestamp.h"

namespace everywatt {

// Columns are named by header, or by number from 1.
struct PowerCsvOptions {
  std::string time_column = {};                 // --time-column
  std::vector<std::string> power_columns = {};  // --power-column, power or energy; empty: all that are found
  std::string device_column = {};               // --device-column; "none": no column names the device
  std::string unit = {};                    // --unit, of columns that name none or the wrong one: W, kW, mW, kWh, J …
  std::optional<TimeUnit> time_unit = {};   // --time-unit, of times that are numbers
  std::optional<char> separator = {};       // --separator
  std::optional<char> decimal = {};         // --decimal, '.' or ','
  std::optional<Nanoseconds> started = {};  // --started, wall: of times that count from the start
  std::optional<DeviceKind> kind = {};      // --kind
  std::optional<double> uncertainty = {};   // --uncertainty, relative, standard, of the meter
  std::string name = {};                    // --name, of the run and of a single device
};

// Pure. `file` is the path, for messages and names; `written` is when it was
// last changed: the end of a run whose times count from its start.
Result<Imported> parse_power_csv(std::string_view file, std::string_view text, Nanoseconds written,
                                 const PowerCsvOptions& options = {});

Result<Imported> import_power_csv(const std::filesystem::path& file, const PowerCsvOptions& options = {});

}  // namespace everywatt
