#include "marks/ring_writer.h"

#include <cstring>

namespace everywatt::marks {

std::uint64_t write_long_mark(Ring& ring, const MarkHead& mark, Rest rest) {
  const std::uint64_t more = (rest.size + kWordsBytes - 1) / kWordsBytes;
  std::uint64_t position = 0;
  if (!reserve(ring, 1 + more, position)) {
    count_dropped(ring);
    return 0;
  }
  // The first slot last: where it is committed, all are.
  for (std::uint64_t i = 0; i < more; ++i) {
    std::uint64_t words[3] = {};
    const std::size_t done = i * kWordsBytes;
    const std::size_t left = rest.size - done;
    std::memcpy(words, static_cast<const char*>(rest.bytes) + done, left < kWordsBytes ? left : kWordsBytes);
    commit(ring, position + 1 + i, Kind::more, 0, words);
  }
  commit(ring, position, mark.kind, mark.detail,
         {static_cast<std::uint64_t>(mark.time), mark.thread | std::uint64_t{mark.name} << 32, mark.value});
  return position + 1;
}

}  // namespace everywatt::marks
