// Which column of a table of power is what. Pure; every choice that the text
// leaves open is Errc::malformed, and every option that fits no column is
// Errc::misuse, in one line that names the option to use.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "import/csv.h"
#include "import/header_words.h"
#include "import/power_csv.h"

namespace everywatt {

struct MeterColumn {
  std::size_t index = 0;
  std::string header;
  std::string thing;  // "gpu0" of "gpu0_power_w"; empty: the header names none
  PowerUnit unit;     // a value's own unit comes before it
};

struct PowerCsvLayout {
  std::vector<std::string> headers = {};  // "1", "2" … where the table has none
  std::vector<CsvRow> rows = {};          // without the header
  std::size_t time = 0;
  std::optional<std::size_t> device = {};
  std::vector<MeterColumn> meters = {};
  char decimal = '.';
};

Result<PowerCsvLayout> find_layout(std::string_view file, std::string_view text, const PowerCsvOptions& options);

// "123.45", "123,45", "123.45 W": the number in watts or joules by `unit`, or by
// its own. Errc::malformed with a few words.
Result<double> parse_meter_value(std::string_view text, PowerUnit unit, char decimal);
// The unit behind a number: W of "123.45 W".
std::optional<PowerUnit> unit_of_value(std::string_view text);

}  // namespace everywatt
