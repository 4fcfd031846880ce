// Which ranks of a job keep the others waiting, and how much of the time: pure, over what was recorded of them.
#pragma once
#include <vector>

#include "model/run.h"

namespace everywatt {

struct Straggler {
  int rank = 0;
  double steps = 0;   // share of the steps in which it is late
  double behind = 0;  // the median of the others, in parts of a step; median over all steps
  double caused = 0;  // share of the joules that all ranks waited on others
};

// A rank that is late in half of the steps and more, by a twentieth of one and more in the middle; or in some of them,
// more often than others are: in a twentieth of the steps at least, three times as often as the rank in the middle, and
// so often that chance alone would have it in less than one of a thousand jobs (six late steps of four ranks).
// Over fewer than twenty steps nobody is named, nor where all are as late as each other.
std::vector<Straggler> stragglers(const std::vector<RankRecord>& ranks);

}  // namespace everywatt
