#include "import/time_column.h"

#include <fmt/core.h>

#include <array>
#include <string>

#include "base/text.h"
#include "import/header_words.h"

namespace everywatt {
namespace {

// Counts since 1970 are of 2001 and later, so that they cannot be taken for
// counts from the start, which are of less than three years.
constexpr double kFirstEpochSecond = 1e9;
constexpr double kLastEpochSecond = 9.2e9;
constexpr double kMostFromStart = 1e8;

std::optional<TimeUnit> unit_of_time_header(std::string_view header) {
  for (const std::string& word : header_words(header)) {
    const std::string small = lower(word);
    if (const auto unit = parse_time_unit(small)) return unit;
    if (small == "sec" || small == "secs" || small == "seconds") return TimeUnit::seconds;
    if (small == "msec" || small == "milliseconds") return TimeUnit::milliseconds;
    if (small == "microseconds") return TimeUnit::microseconds;
    if (small == "nanoseconds") return TimeUnit::nanoseconds;
  }
  return std::nullopt;
}

constexpr std::array<double, 4> kPerSecond = {1, 1e3, 1e6, 1e9};

bool is_epoch(double count, TimeUnit unit) {
  const double seconds = count / kPerSecond[static_cast<std::size_t>(unit)];
  return seconds >= kFirstEpochSecond && seconds < kLastEpochSecond;
}

}  // namespace

Result<TimeForm> find_time_form(std::string_view header, std::string_view first, std::optional<TimeUnit> unit) {
  if (parse_iso_time(first)) return TimeForm{.is_iso = true};
  const auto count = parse_double(first);
  if (!count || *count < 0)
    return fail(Errc::malformed,
                fmt::format("'{}' is neither ISO 8601 (2024-05-16T23:41:53Z) nor a count of seconds: name "
                            "another column with --time-column",
                            first));
  if (!unit) unit = unit_of_time_header(header);
  if (unit) {
    if (is_epoch(*count, *unit)) return TimeForm{.unit = *unit};
    if (*count / kPerSecond[static_cast<std::size_t>(*unit)] < kMostFromStart)
      return TimeForm{.unit = *unit, .is_from_start = true};
    return fail(Errc::malformed,
                fmt::format("'{}' is in its unit neither a time since 2001 nor one from the start: name the "
                            "unit with --time-unit (s, ms, us, ns)",
                            first));
  }
  for (const TimeUnit candidate :
       {TimeUnit::seconds, TimeUnit::milliseconds, TimeUnit::microseconds, TimeUnit::nanoseconds})
    if (is_epoch(*count, candidate)) return TimeForm{.unit = candidate};
  if (*count < kMostFromStart) return TimeForm{.is_from_start = true};
  return fail(Errc::malformed,
              fmt::format("'{}' is in no unit a time since 2001: name the unit with --time-unit (s, ms, us, "
                          "ns)",
                          first));
}

std::optional<IsoTime> parse_time(std::string_view text, TimeForm form) {
  if (form.is_iso) return parse_iso_time(text);
  const auto count = parse_time_count(text, form.unit);
  if (!count) return std::nullopt;
  return IsoTime{*count, true};
}

}  // namespace everywatt
