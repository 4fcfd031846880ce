#include "marks/ring_reader.h"

#include <algorithm>
#include <utility>

#include "marks/slot_meaning.h"

namespace everywatt::marks {
namespace {

constexpr Nanoseconds kPatience = 5 * kSecond;     // with a place that a living thread has taken
constexpr std::uint64_t kLookAhead = 4096;         // slots: more than a hundred threads leave open at once
constexpr std::uint64_t kSlotsPerLetGo = 4096;     // a full ring has room again before all of it is read
constexpr Nanoseconds kClockSlack = 10 * kSecond;  // `now` was read a while before the last mark
constexpr std::uint32_t kMostGeneration = 0xffff;  // span_at() keeps 16 bits

std::uint32_t load_half(const std::uint32_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); }

}  // namespace

Result<RingReader> RingReader::open(Ring& ring, const Writer& writer) {
  const RingHeader& header = ring.header;
  if (load(header.magic, __ATOMIC_ACQUIRE) != kRingMagic) return fail(Errc::malformed, "this is no ring of marks");
  if (const std::uint32_t version = load_half(header.version); version != kVersion) {
    return fail(Errc::malformed, "the ring is of version " + std::to_string(version) + ", this everywatt reads " +
                                     std::to_string(kVersion) + ": use the libeverywatt that came with it");
  }
  if (load_half(header.slot_count) != kSlotCount || load_half(header.slot_bytes) != sizeof(Slot) ||
      load_half(header.names_bytes) != kNamesBytes) {
    return fail(Errc::malformed, "the ring's sizes are not those of its version");
  }
  return RingReader{ring, writer, load_half(header.generation) & kMostGeneration};
}

Result<std::uint64_t> RingReader::drain(Nanoseconds now, Writers writers, std::uint64_t slots, const MarkSink& sink) {
  const std::uint64_t head = load(ring_->header.head, __ATOMIC_ACQUIRE);
  if (head - tail_ > kSlotCount) return fail(Errc::malformed, "the ring's head is not within a lap of what was read");
  const std::uint64_t begin = tail_;
  for (std::uint64_t let_go_at = tail_; tail_ < head && tail_ - begin < slots;) {
    if (const auto slot = copy_slot(*ring_, tail_)) {
      CHECK(take(*slot, now, sink));
      if (tail_ > head) return fail(Errc::malformed, "a mark reaches beyond the ring's head");
    } else if (!pass_over(head, now, writers)) {
      break;
    }
    if (tail_ - let_go_at >= kSlotsPerLetGo) {
      let_go();
      let_go_at = tail_;
    }
  }
  let_go();
  return tail_ - begin;
}

// Release: what we read of a slot, we have read before a writer finds it free.
void RingReader::let_go() { store(ring_->header.tail, tail_, __ATOMIC_RELEASE); }

bool RingReader::pass_over(std::uint64_t head, Nanoseconds now, Writers writers) {
  const bool alive = writers == Writers::alive;
  if (alive && stall_.position != tail_) stall_ = {.position = tail_, .since = now};
  if (alive && now - stall_.since < kPatience) return false;
  const std::uint64_t end = alive ? std::min(head, tail_ + kLookAhead) : head;
  std::uint64_t next = tail_ + 1;
  while (next < end && !copy_slot(*ring_, next)) ++next;
  // Nothing was said since: a process that is stopped as a whole will go on where it was.
  if (alive && next >= end) return false;
  torn_ += next - tail_;
  tail_ = next;
  return true;
}

Result<void> RingReader::take(const SlotCopy& slot, Nanoseconds now, const MarkSink& sink) {
  TRY(SlotMeaning meaning, meaning_of(slot, {.ring = *ring_, .position = tail_, .generation = generation_}, names_));
  tail_ += meaning.slots;
  if (!meaning.what) {
    ++torn_;
    return {};
  }
  const auto time = static_cast<Nanoseconds>(slot.words[0]);
  if (time < 0 || time > now + kClockSlack) {
    return fail(Errc::malformed, "a mark bears a time that is not this machine's CLOCK_MONOTONIC: a time namespace?");
  }
  const auto thread = static_cast<std::int32_t>(slot.words[1] & 0xffffffff);
  sink({.time = time,
        .lane = {.process = writer_.process, .thread = thread == writer_.own_pid ? writer_.process.pid : thread},
        .what = *std::move(meaning.what)});
  return {};
}

bool RingReader::is_drained() const { return load(ring_->header.head, __ATOMIC_ACQUIRE) == tail_; }
bool RingReader::is_closed() const { return __atomic_load_n(&ring_->header.closed, __ATOMIC_ACQUIRE) == 1; }
std::uint64_t RingReader::dropped() const { return load(ring_->header.dropped, __ATOMIC_RELAXED); }

}  // namespace everywatt::marks
