// Rated power (TDP) of processors by the name that /proc/cpuinfo gives them,
// from data/processors.csv, which is part of the program.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/units.h"

namespace everywatt {

// "Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz" → "xeon gold 6148": what identifies
// the product, in lower case, words parted by one blank.
std::string product_name(std::string_view model_name);

// One row of the table.
struct RatedProcessor {
  std::string_view model;  // "Xeon Gold 6148"
  Power tdp = {};
  std::string_view source;  // "codecarbon"
  std::string_view date;
};

std::optional<RatedProcessor> find_processor(std::string_view model_name);

}  // namespace everywatt
