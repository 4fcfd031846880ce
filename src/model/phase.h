// A stretch of a run that somebody named: an epoch, an evaluation. Spans of
// one run form a tree by containment, and the path says where in it one
// stands: "epoch/eval" lies within "epoch".
#pragma once
#include <string>

#include "base/clock.h"

namespace everywatt {

struct PhaseSpan {
  Nanoseconds begin = 0;
  Nanoseconds end = 0;
  std::string path;
};

}  // namespace everywatt
