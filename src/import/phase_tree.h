// Named intervals, as a log tells them, become the phases of a run: clipped to
// it, nested by containment, each with the path from the outermost in.
#pragma once
#include <string>
#include <vector>

#include "import/power_trace.h"
#include "model/phase.h"

namespace everywatt {

struct NamedInterval {
  std::string name;
  TimeSpan span;
};

// Ordered by begin, the outer before the inner; of two equal intervals the one
// that comes first is the outer. An interval that outlives the one it began in
// is cut at that one's end; what is cut or lies outside the run goes to `notices`.
std::vector<PhaseSpan> nest(const std::vector<NamedInterval>& intervals, TimeSpan run,
                            std::vector<std::string>& notices);

}  // namespace everywatt
