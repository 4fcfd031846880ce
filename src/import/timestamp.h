// Times as files write them: ISO 8601, or a decimal count of some unit. Strict:
// the whole text is the time, or it is none. Results are never negative.
#pragma once
#include <optional>
#include <string_view>

#include "base/clock.h"

namespace everywatt {

struct IsoTime {
  Nanoseconds wall = 0;
  bool has_zone = false;  // else taken as UTC
};

// "2024-05-16T23:41:53.845Z", "2024/05/16 23:41:53.845", "2024-05-16 23:41+02:00";
// from 1970 to 2261.
std::optional<IsoTime> parse_iso_time(std::string_view text);

enum class TimeUnit { seconds, milliseconds, microseconds, nanoseconds };
std::optional<TimeUnit> parse_time_unit(std::string_view text);  // s, ms, us, ns
// "1715874513.845" seconds, exact to the nanosecond.
std::optional<Nanoseconds> parse_time_count(std::string_view text, TimeUnit unit);

}  // namespace everywatt
