// A model's baseline and a run against it, for people and as JSON, schemas "everywatt.baseline/1" and
// "everywatt.baseline-check/1" (docs/formats/baseline.md).
#pragma once
#include <string>

#include "analysis/baseline.h"
#include "report/style.h"

namespace everywatt {

struct Baseline {
  std::string set;  // when it was made the norm, as iso_time() has it
  Profile profile;
};

std::string baseline_text(const Baseline& baseline, const Style& style);
std::string baseline_json(const Baseline& baseline);

// First what changed around it, then its figures.
std::string comparison_text(const Baseline& baseline, const Profile& run, const Comparison& comparison,
                            const Style& style);
std::string comparison_json(const Baseline& baseline, const Profile& run, const Comparison& comparison);

}  // namespace everywatt
