// Which phase a run was in when, and how what it booked in a window is divided
// over its phases: the innermost phase of the main lane gets the joules, and
// the parts sum to the whole, to the microjoule.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "model/accounts.h"
#include "model/energy_curve.h"
#include "model/phase.h"
#include "model/run.h"

namespace everywatt {

class PhaseTimeline {
 public:
  PhaseTimeline() = default;
  // Spans of one lane: nested or apart. Where two overlap without nesting, the
  // one that began later counts.
  explicit PhaseTimeline(std::vector<PhaseSpan> spans);

  struct Piece {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    std::string path;  // "" where no phase was open
  };
  // [from, to] cut where the innermost phase changes; the pieces cover it without a gap.
  [[nodiscard]] std::vector<Piece> pieces(Nanoseconds from, Nanoseconds to) const;

  [[nodiscard]] std::vector<PhaseStat> stats() const;

 private:
  std::vector<PhaseSpan> spans_;  // ordered by begin, outer before inner
};

// What a run booked on one device between two moments, as entries: energy
// follows the curve, idle follows the time.
std::vector<Entry> entries_of(const std::string& device, const Accounts& booked, const EnergyCurve& curve,
                              Nanoseconds from, Nanoseconds to, const PhaseTimeline& phases, std::int64_t minute);

}  // namespace everywatt
