// Comma-separated values as RFC 4180 has them, with any separator: quoted
// fields, doubled quotes, line breaks within quotes, either line ending.
// Blanks around a field are not part of it; empty lines and lines that begin
// with '#' are no rows.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace everywatt {

struct CsvRow {
  std::size_t line = 0;  // where it begins, from 1
  std::vector<std::string> fields = {};
  bool is_sound = true;  // else something follows a closing quote
};

// Errc::malformed: a quote that is never closed, "LINE: …".
Result<std::vector<CsvRow>> parse_csv(std::string_view text, char separator);

}  // namespace everywatt
