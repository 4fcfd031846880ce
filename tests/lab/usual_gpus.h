// What boards of a known name are like, where a scenario does not say.
#pragma once
#include "tests/lab/scenario.h"

namespace everywatt::lab {

// Architecture, memory, limits and clocks, by gpu.name; an unknown name changes nothing.
void set_usual_board(Gpu& gpu);

}  // namespace everywatt::lab
