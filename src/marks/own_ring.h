// The ring of this process: made at its first mark, handed over as soon as
// somebody listens, left behind at a fork. The one place of libeverywatt with
// state; all of it belongs to the process as a whole, hence the globals.
#pragma once
#include <everywatt.h>

#include <atomic>
#include <cstdint>

#include "marks/name_table.h"
#include "marks/ring_layout.h"

namespace everywatt::marks {

// What a mark reads of it, without a lock.
struct OwnRing {
  std::atomic<Ring*> ring = nullptr;
  std::atomic<bool> settled = false;  // whether there is to be a ring has been decided
  std::atomic<std::int64_t> next_try = INT64_MAX;
};
extern constinit OwnRing own;          // NOLINT: constinit, where it is defined too
extern constinit NameTable own_names;  // NOLINT

// What the first mark does; null where marks go nowhere.
Ring* open_at_first_mark();
// Tries once more to hand the ring over. `now` is CLOCK_MONOTONIC in ns.
void try_again(std::int64_t now);

everywatt_state open_own_ring(const char* socket_path);
everywatt_state start_and_open(const char* name);
void close_own_ring();
everywatt_state state_of_own_ring();
std::uint32_t add_name(const char* text, std::size_t size);

inline Ring* own_ring() {
  Ring* ring = own.ring.load(std::memory_order_acquire);
  if (ring) [[likely]] {
    return ring;
  }
  // Decided: none, or one that came a moment ago.
  return own.settled.load(std::memory_order_acquire) ? own.ring.load(std::memory_order_acquire) : open_at_first_mark();
}

std::int64_t monotonic_now();
// Of this thread, as the kernel numbers it; a system call once a thread.
std::uint32_t own_thread();

}  // namespace everywatt::marks
