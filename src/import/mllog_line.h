// One line of an MLPerf log: ":::MLLOG {json}", alone or behind the prefix that
// a launcher puts before the output of a rank. docs/formats/imports.md has the fields.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/result.h"

namespace everywatt {

struct MllogRecord {
  enum class Event { begin, end, point };
  // A table holds the numbers of {"throughput": 68.4, …}; null and lists are monostate.
  using Value = std::variant<std::monostate, bool, double, std::string, std::map<std::string, double>>;
  std::string key;
  Event event = Event::point;
  Nanoseconds time = 0;  // since 1970-01-01 UTC, never negative
  Value value = {};
  std::map<std::string, std::string> metadata = {};  // its texts
};

// What stands behind ":::MLLOG"; none: the line is no record.
std::optional<std::string_view> mllog_payload(std::string_view line);
// Errc::malformed with a few words: "no valid JSON", "time_ms is missing".
Result<MllogRecord> parse_mllog(std::string_view payload);

// What stands behind ":::SYSJSON", the description of the system under test,
// where it begins the line or follows a rank's prefix.
std::optional<std::string_view> sysjson_payload(std::string_view line);
// Its texts and numbers that are not empty, those of inner tables too.
Result<std::map<std::string, std::string>> parse_sysjson(std::string_view payload);

}  // namespace everywatt
