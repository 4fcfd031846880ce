// Puts marks into a ring: any number of threads at once, also a signal handler
// that interrupts one of them. A mark reserves its slots, fills them and commits
// them; it waits for nobody, and one that finds no room is counted and gone.
// Killed between any two instructions it leaves slots that are reserved and not
// committed, which the reader passes over.
#pragma once
#include <cstdint>

#include "marks/ring_layout.h"

namespace everywatt::marks {

struct MarkHead {
  std::int64_t time;  // CLOCK_MONOTONIC, ns
  std::uint32_t thread;
  Kind kind;
  std::uint8_t detail = 0;
  std::uint32_t name = 0;
  std::uint64_t value = 0;
};

// What is more than one slot can hold.
struct Rest {
  const void* bytes = nullptr;
  std::size_t size = 0;
};

inline void count_dropped(Ring& ring) { __atomic_fetch_add(&ring.header.dropped, 1, __ATOMIC_RELAXED); }

inline void commit(Ring& ring, std::uint64_t position, Kind kind, std::uint8_t detail,
                   const std::uint64_t (&words)[3]) {
  Slot& slot = slot_at(ring, position);
  for (int i = 0; i < 3; ++i) store(slot.words[i], words[i], __ATOMIC_RELAXED);
  const Stamp stamp{.position = static_cast<std::uint32_t>(position), .kind = kind, .detail = detail};
  store(slot.stamp, pack(stamp, words), __ATOMIC_RELEASE);
}

// The first of `count` positions in a row that are ours now; false where the ring is full.
inline bool reserve(Ring& ring, std::uint64_t count, std::uint64_t& position) {
  std::uint64_t head = load(ring.header.head, __ATOMIC_RELAXED);
  for (;;) {
    // Acquire: what the reader had read before it let go of a slot, it has read before we overwrite it.
    const std::uint64_t used = head - load(ring.header.tail, __ATOMIC_ACQUIRE);
    if (used > kSlotCount - count) {
      // Full, or our head is so old that the tail has passed it.
      const std::uint64_t now = load(ring.header.head, __ATOMIC_RELAXED);
      if (now == head) return false;
      head = now;
    } else if (__atomic_compare_exchange_n(&ring.header.head, &head, head + count, true, __ATOMIC_RELEASE,
                                           __ATOMIC_RELAXED)) {
      position = head;
      return true;
    }
  }
}

// The mark's position plus one; 0 where it was dropped.
std::uint64_t write_long_mark(Ring& ring, const MarkHead& mark, Rest rest);

inline std::uint64_t write_mark(Ring& ring, const MarkHead& mark) {
  std::uint64_t position = 0;
  if (!reserve(ring, 1, position)) {
    count_dropped(ring);
    return 0;
  }
  commit(ring, position, mark.kind, mark.detail,
         {static_cast<std::uint64_t>(mark.time), mark.thread | std::uint64_t{mark.name} << 32, mark.value});
  return position + 1;
}

}  // namespace everywatt::marks
