// A stretch of a run that somebody named: an epoch, an evaluation. Spans of
// one run form a tree by containment, and the path says where in it one
// stands: "epoch/eval" lies within "epoch".
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"

namespace everywatt {

struct PhaseSpan {
  Nanoseconds begin = 0;
  Nanoseconds end = 0;
  std::string path;
};

// Everything lies within itself; within "", time outside any phase, lies nothing else.
inline bool lies_within(std::string_view path, std::string_view outer) {
  const bool is_child =
      !outer.empty() && path.starts_with(outer) && path.size() > outer.size() && path[outer.size()] == '/';
  return path == outer || is_child;
}

}  // namespace everywatt
