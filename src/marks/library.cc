// The functions of include/everywatt.h.
#include <everywatt.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "marks/own_ring.h"
#include "marks/ring_writer.h"

namespace {

using namespace everywatt::marks;

// Marks with `make`, which gets the ring and the mark's time and thread; what it returns, or 0 without a ring.
template <class Make>
inline std::uint64_t with_ring(Make make) {
  Ring* ring = own_ring();
  if (!ring) return 0;
  const std::int64_t now = monotonic_now();
  if (now >= own.next_try.load(std::memory_order_relaxed)) [[unlikely]] {
    try_again(now);
  }
  return make(*ring, MarkHead{.time = now, .thread = own_thread(), .kind = Kind::none});
}

std::uint64_t drop(Ring& ring) {
  count_dropped(ring);
  return 0;
}

everywatt_span begin(Kind kind, everywatt_name name) {
  return with_ring([=](Ring& ring, MarkHead mark) -> std::uint64_t {
    if (name == 0) return drop(ring);
    mark.kind = kind;
    mark.name = name;
    const std::uint64_t written = write_mark(ring, mark);
    return written ? span_at(ring.header.generation, written - 1) : 0;
  });
}

void end(Kind kind, everywatt_span span) {
  with_ring([=](Ring& ring, MarkHead mark) {
    if (span == 0) return drop(ring);
    mark.kind = kind;
    mark.value = span;
    return write_mark(ring, mark);
  });
}

void flops(Kind kind, everywatt_precision precision, double amount) {
  with_ring([=](Ring& ring, MarkHead mark) {
    if (static_cast<unsigned>(precision) > EVERYWATT_FP4 || !std::isfinite(amount) || amount < 0) return drop(ring);
    mark.kind = kind;
    mark.detail = static_cast<std::uint8_t>(precision);
    mark.value = std::bit_cast<std::uint64_t>(amount);
    return write_mark(ring, mark);
  });
}

}  // namespace

extern "C" {

everywatt_state everywatt_open(const char* socket_path) { return open_own_ring(socket_path); }
everywatt_state everywatt_start(const char* name) { return start_and_open(name); }
void everywatt_close(void) { close_own_ring(); }
everywatt_state everywatt_current_state(void) { return state_of_own_ring(); }

const char* everywatt_state_text(everywatt_state state) {
  switch (state) {
    case EVERYWATT_IS_OPEN:
      return "marks are kept for the supervisor";
    case EVERYWATT_IS_DISABLED:
      return "marks go nowhere: EVERYWATT_DISABLED=1";
    case EVERYWATT_NO_SUPERVISOR:
      return "marks go nowhere: EVERYWATT_SOCKET is not set; start the job with everywatt run";
    case EVERYWATT_PATH_TOO_LONG:
      return "marks go nowhere: the path in EVERYWATT_SOCKET is longer than the 107 bytes that Linux allows";
    case EVERYWATT_NO_MEMORY:
      return "marks go nowhere: the kernel gave no memory or no file for the ring";
    case EVERYWATT_NO_METER:
      return "nothing is measured: no everywatt could be started, neither the one that EVERYWATT_BIN names nor one on "
             "PATH";
    case EVERYWATT_IS_CLOSED:
      return "nothing was marked yet, or everywatt_close was called";
  }
  return "no such state";
}

uint64_t everywatt_dropped(void) {
  const Ring* ring = own.ring.load(std::memory_order_acquire);
  return ring ? load(ring->header.dropped, __ATOMIC_RELAXED) : 0;
}

everywatt_name everywatt_intern(const char* text) {
  if (!text || !*text) return 0;
  const std::size_t size = counted_bytes(text, kMostNameBytes);
  const everywatt_name known = own_names.find(text, size);
  return known ? known : add_name(text, size);
}

everywatt_span everywatt_phase_begin(everywatt_name name) { return begin(Kind::phase_begin, name); }
everywatt_span everywatt_phase_begin_text(const char* name) { return everywatt_phase_begin(everywatt_intern(name)); }
void everywatt_phase_end(everywatt_span phase) { end(Kind::phase_end, phase); }

everywatt_span everywatt_wait_begin(everywatt_name what) { return begin(Kind::wait_begin, what); }
everywatt_span everywatt_wait_begin_text(const char* what) { return everywatt_wait_begin(everywatt_intern(what)); }
void everywatt_wait_end(everywatt_span wait) { end(Kind::wait_end, wait); }

void everywatt_step(int64_t number) {
  with_ring([=](Ring& ring, MarkHead mark) {
    mark.kind = Kind::step;
    mark.value = static_cast<std::uint64_t>(number < 0 ? kNoNumber : number);
    return write_mark(ring, mark);
  });
}

void everywatt_metric(everywatt_name name, double value, int64_t step) {
  with_ring([=](Ring& ring, MarkHead mark) {
    if (name == 0) return drop(ring);
    mark.kind = step < 0 ? Kind::metric : Kind::metric_of_step;
    mark.name = name;
    mark.value = std::bit_cast<std::uint64_t>(value);
    return step < 0 ? write_mark(ring, mark) : write_long_mark(ring, mark, {.bytes = &step, .size = sizeof step});
  });
}
void everywatt_metric_text(const char* name, double value, int64_t step) {
  everywatt_metric(everywatt_intern(name), value, step);
}

void everywatt_tag(const char* key, const char* value) {
  const everywatt_name name = everywatt_intern(key);
  with_ring([=](Ring& ring, MarkHead mark) {
    if (name == 0 || !value) return drop(ring);
    mark.kind = Kind::tag;
    mark.name = name;
    mark.value = counted_bytes(value, kMostTagBytes);
    return write_long_mark(ring, mark, {.bytes = value, .size = mark.value});
  });
}

void everywatt_count(everywatt_unit unit, uint64_t amount) {
  with_ring([=](Ring& ring, MarkHead mark) {
    if (static_cast<unsigned>(unit) > EVERYWATT_BYTES) return drop(ring);
    mark.kind = Kind::count;
    mark.detail = static_cast<std::uint8_t>(unit);
    mark.value = amount;
    return write_mark(ring, mark);
  });
}

void everywatt_flops(everywatt_precision precision, double amount) { flops(Kind::flops, precision, amount); }
void everywatt_recomputed_flops(everywatt_precision precision, double amount) {
  flops(Kind::recomputed_flops, precision, amount);
}

}  // extern "C"
