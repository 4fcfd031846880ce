// How the times of a table are written, told from the first of them: ISO 8601,
// counts since 1970 in some unit, or counts from the start of the record.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "import/timestamp.h"

namespace everywatt {

struct TimeForm {
  bool is_iso = false;
  TimeUnit unit = TimeUnit::seconds;  // of counts
  bool is_from_start = false;
};

// `unit`: what the user says. Errc::malformed with the words that belong behind
// the name of the column.
Result<TimeForm> find_time_form(std::string_view header, std::string_view first, std::optional<TimeUnit> unit);

// Of one value in that form; for counts from the start, since then.
std::optional<IsoTime> parse_time(std::string_view text, TimeForm form);

}  // namespace everywatt
