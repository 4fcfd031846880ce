// What a committed slot of a ring says.
#pragma once
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "marks/ring_names.h"
#include "marks/slot_copy.h"
#include "model/mark.h"

namespace everywatt::marks {

// Where a slot stands.
struct SlotPlace {
  const Ring& ring;
  std::uint64_t position;
  std::uint32_t generation;  // of the ring
};

struct SlotMeaning {
  std::optional<decltype(Mark::what)> what;  // none: it goes with slots that were lost
  std::uint64_t slots = 1;                   // that the mark takes
};

// An error where no writer of ours writes so.
Result<SlotMeaning> meaning_of(const SlotCopy& slot, const SlotPlace& place, RingNames& names);

}  // namespace everywatt::marks
