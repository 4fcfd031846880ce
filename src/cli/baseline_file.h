// A baseline as text, schema "everywatt.baseline/1" (docs/formats/baseline.md), read strictly: what lacks a field or
// has another type there is refused. baseline_json() writes it.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "report/baseline_text.h"

namespace everywatt {

// Errc::malformed: no baseline; `file` is its name, for the message.
Result<Baseline> parse_baseline(std::string_view text, const std::string& file);

}  // namespace everywatt
