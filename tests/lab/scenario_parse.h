// One `[[gpu]]` table of a scenario; the rest is in scenario.cc.
#pragma once
#include "tests/lab/scenario.h"
#include "tests/lab/toml_table.h"

namespace everywatt::lab {

// `index` of the first of the GPUs that the table stands for.
std::vector<Gpu> parse_gpus(Table& table, std::size_t index, unsigned driver_major);

Interval parse_life(Table& table);  // from_s, to_s
// idle_watts: never above the least power, which it is by default.
Power parse_idle(Table& table, const PowerShape& power, std::string_view key);

}  // namespace everywatt::lab
