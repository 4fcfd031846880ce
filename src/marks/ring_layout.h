// The memory through which a process tells its supervisor what it does: one
// ring a process, written by its threads, read by one reader. Writer and reader
// share this header and nothing else; docs/formats/marks.md says the same in
// words. Plain words of 8 bytes, little-endian as every machine that we run on.
//
// A position counts slots since the ring was made and never wraps; its slot is
// position mod kSlotCount. A slot is committed when its stamp names the position:
// stamps of the lap before do not. The stamp also sums up the slot's words, so
// that a thread which was given up on and writes after all is found out.
#pragma once
#include <cstddef>
#include <cstdint>

namespace everywatt::marks {

inline constexpr std::uint64_t kRingMagic = 0x31474e49525745;      // "EWRING1"
inline constexpr std::uint64_t kGreetingMagic = 0x4f4c4c45485745;  // "EWHELLO"
inline constexpr std::uint32_t kVersion = 1;

inline constexpr std::uint32_t kSlotCount = 1u << 18;
inline constexpr std::uint32_t kNamesBytes = 1u << 18;
inline constexpr std::uint32_t kMostNames = 8192;
inline constexpr std::size_t kMostNameBytes = 255;
inline constexpr std::size_t kMostTagBytes = 1024;
inline constexpr std::size_t kPageBytes = 4096;

enum class Kind : std::uint8_t {
  none = 0,  // of memory that nobody wrote
  phase_begin,
  phase_end,
  wait_begin,
  wait_end,
  step,
  metric,
  metric_of_step,  // the step is in the one slot that follows
  tag,             // the text is in the slots that follow
  count,
  flops,
  more,  // follows the slot before: three words of its mark
  recomputed_flops,
};

inline constexpr std::int64_t kNoNumber = -1;  // of a step that just counts on

struct Slot {
  std::uint64_t stamp;
  std::uint64_t words[3];  // of a mark: time, thread | name << 32, value
};
inline constexpr std::size_t kWordsBytes = sizeof(Slot::words);

struct RingHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slot_count;
  std::uint32_t slot_bytes;
  std::uint32_t names_bytes;
  std::uint32_t generation;  // rings between this one and the first, in this process and those it was forked from
  std::uint32_t closed;      // 1: no mark follows
  // Each on a cache line of its own: threads of the job and the reader write them.
  alignas(64) std::uint64_t head;     // the next position to reserve
  alignas(64) std::uint64_t tail;     // written by the reader: all before it may be overwritten
  alignas(64) std::uint64_t dropped;  // marks that are not in the ring
  std::uint64_t names_end;            // bytes of names that are written
};

// Names: a byte of length, then the text; the first has number 1.
struct Ring {
  RingHeader header;
  alignas(kPageBytes) unsigned char names[kNamesBytes];
  Slot slots[kSlotCount];
};

// What a process sends with its ring: one packet, and the ring's file beside it.
struct Greeting {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t pid;                 // as the process knows itself
  std::uint64_t start_ticks;         // field 22 of /proc/self/stat; 0: not known
  std::uint32_t parent_pid;          // the marked process that it was forked from; 0: none
  std::uint32_t reserved;            // 0
  std::uint64_t parent_start_ticks;  // and its start
  char name[24];                     // the kernel's name of the process, filled up with zeros
};

static_assert(sizeof(Slot) == 32);
static_assert(offsetof(RingHeader, closed) == 28);
static_assert(offsetof(RingHeader, head) == 64);
static_assert(offsetof(RingHeader, tail) == 128);
static_assert(offsetof(RingHeader, dropped) == 192);
static_assert(offsetof(RingHeader, names_end) == 200);
static_assert(offsetof(Ring, names) == 4096);
static_assert(offsetof(Ring, slots) == 4096 + kNamesBytes);
static_assert(sizeof(Ring) == 4096 + kNamesBytes + std::size_t{32} * kSlotCount);
static_assert(sizeof(Greeting) == 64 && offsetof(Greeting, name) == 40);

// What a slot says besides its words.
struct Stamp {
  std::uint32_t position;  // its low half: the lap before differs in it
  Kind kind;
  std::uint8_t detail;  // count: the unit; of operations: the precision; else 0
};

constexpr std::uint64_t pack(Stamp stamp, const std::uint64_t (&words)[3]) {
  const std::uint64_t low =
      stamp.position | std::uint64_t{static_cast<std::uint8_t>(stamp.kind)} << 32 | std::uint64_t{stamp.detail} << 40;
  // Odd multipliers (of the golden ratio's kind) carry every bit into the top 16.
  const std::uint64_t sum = low * 0x9e3779b97f4a7c15 + words[0] * 0xbf58476d1ce4e5b9 + words[1] * 0x94d049bb133111eb +
                            words[2] * 0xd6e8feb86659fd93;
  return low | sum >> 48 << 48;
}

constexpr Stamp unpack(std::uint64_t stamp) {
  return {.position = static_cast<std::uint32_t>(stamp),
          .kind = static_cast<Kind>(stamp >> 32 & 0xff),
          .detail = static_cast<std::uint8_t>(stamp >> 40)};
}

// A begin is known by where it stands. The generation keeps a forked child, which still holds its parent's spans, from
// ending one of its own with them.
constexpr std::uint64_t span_at(std::uint32_t generation, std::uint64_t position) {
  return std::uint64_t{generation} << 48 | (position + 1);
}

inline std::uint64_t load(const std::uint64_t& word, int order) { return __atomic_load_n(&word, order); }
inline void store(std::uint64_t& word, std::uint64_t value, int order) { __atomic_store_n(&word, value, order); }

inline Slot& slot_at(Ring& ring, std::uint64_t position) { return ring.slots[position % kSlotCount]; }

}  // namespace everywatt::marks
