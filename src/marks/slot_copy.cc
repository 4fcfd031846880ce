#include "marks/slot_copy.h"

#include <algorithm>
#include <cstring>

namespace everywatt::marks {

std::optional<SlotCopy> copy_slot(const Ring& ring, std::uint64_t position) {
  const Slot& slot = ring.slots[position % kSlotCount];
  const std::uint64_t stamp = load(slot.stamp, __ATOMIC_ACQUIRE);
  SlotCopy copy{.stamp = unpack(stamp), .words = {}};
  if (copy.stamp.position != static_cast<std::uint32_t>(position) || copy.stamp.kind == Kind::none) return std::nullopt;
  for (int i = 0; i < 3; ++i) copy.words[i] = load(slot.words[i], __ATOMIC_RELAXED);
  if (pack(copy.stamp, copy.words) != stamp) return std::nullopt;
  return copy;
}

std::optional<std::string> copy_text_after(const Ring& ring, std::uint64_t position, std::size_t bytes) {
  std::string text;
  for (std::uint64_t i = 1; i <= slots_for(bytes); ++i) {
    const auto more = copy_slot(ring, position + i);
    if (!more || more->stamp.kind != Kind::more) return std::nullopt;
    char part[kWordsBytes];
    std::memcpy(part, more->words, sizeof part);
    text.append(part, std::min(sizeof part, bytes - text.size()));
  }
  return text;
}

}  // namespace everywatt::marks
