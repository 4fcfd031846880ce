// One slot of a ring as it was at one moment, with a proof that it was whole.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "marks/ring_layout.h"

namespace everywatt::marks {

struct SlotCopy {
  Stamp stamp;
  std::uint64_t words[3];
};

// None where this position was not committed, or was written over by a thread that had been given up on.
std::optional<SlotCopy> copy_slot(const Ring& ring, std::uint64_t position);

// The text in the slots that follow the position; none where they are not whole.
std::optional<std::string> copy_text_after(const Ring& ring, std::uint64_t position, std::size_t bytes);

constexpr std::uint64_t slots_for(std::size_t bytes) { return (bytes + kWordsBytes - 1) / kWordsBytes; }

}  // namespace everywatt::marks
