#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "marks/greeting.h"
#include "marks/ring_reader.h"

// A greeting of any bytes, and a ring in which a process wrote what it liked. The input's first byte says how much of
// it is header and how much names; the rest are slots, whose stamps are made whole in every other ring: else nearly
// none would be read.
namespace {

using namespace everywatt;
using namespace everywatt::marks;

constexpr std::size_t kMostBytes = 64 * 1024;
constexpr Nanoseconds kNow = 1000 * kSecond;

struct Input {
  const std::uint8_t* data;
  std::size_t size;

  std::size_t take(void* target, std::size_t bytes) {
    const std::size_t taken = bytes < size ? bytes : size;
    std::memcpy(target, data, taken);
    data += taken;
    size -= taken;
    return taken;
  }
};

void write_valid_start(Ring& ring) {
  ring.header.magic = kRingMagic;
  ring.header.version = kVersion;
  ring.header.slot_count = kSlotCount;
  ring.header.slot_bytes = sizeof(Slot);
  ring.header.names_bytes = kNamesBytes;
}

void make_whole(Slot& slot, std::uint64_t position) {
  Stamp stamp = unpack(slot.stamp);
  stamp.position = static_cast<std::uint32_t>(position);
  slot.stamp = pack(stamp, slot.words);
}

void read(Ring& ring) {
  auto reader = RingReader::open(ring, {.process = {.pid = 7}, .own_pid = 7});
  if (!reader) return;
  for (const Writers writers : {Writers::alive, Writers::alive, Writers::gone}) {
    static Nanoseconds now = kNow;
    const auto count = reader->drain(now += 10 * kSecond, writers, kSlotCount, [](const Mark&) {});
    if (!count) return;
  }
  if (!reader->is_drained()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto ring = std::make_unique<Ring>();
  if (size == 0 || size > kMostBytes) return 0;
  (void)parse_greeting(std::as_bytes(std::span{data + 1, size - 1}), data[0]);

  const bool is_whole = data[0] % 2;
  const bool is_valid_start = data[0] / 2 % 2;
  Input input{.data = data + 1, .size = size - 1};
  input.take(&ring->header, sizeof(RingHeader));
  if (is_valid_start) write_valid_start(*ring);
  const std::size_t names = input.take(ring->names, data[0]);
  const std::size_t slots = input.take(ring->slots, input.size) / sizeof(Slot);
  if (is_whole) {
    for (std::size_t i = 0; i < slots; ++i) make_whole(ring->slots[i], i);
    ring->header.head %= kSlotCount + 1;
  }
  read(*ring);
  std::memset(&ring->header, 0, sizeof(RingHeader));
  std::memset(ring->names, 0, names);
  std::memset(ring->slots, 0, (slots + 1) * sizeof(Slot));
  return 0;
}
