#include "marks/ring_names.h"

namespace everywatt::marks {
namespace {

// Byte by byte: what stands there may change under our eyes, and then it is any text, of this length.
std::string copy_text(const unsigned char* bytes, std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(__atomic_load_n(bytes + i, __ATOMIC_RELAXED));
  return text;
}

}  // namespace

Result<std::string> RingNames::text_of(const Ring& ring, std::uint32_t number) {
  if (number > texts_.size()) CHECK(read_new(ring));
  if (number == 0 || number > texts_.size()) {
    return fail(Errc::malformed, "a mark has name " + std::to_string(number) + ", of which the ring has no text");
  }
  return texts_[number - 1];
}

Result<void> RingNames::read_new(const Ring& ring) {
  const std::uint64_t end = load(ring.header.names_end, __ATOMIC_ACQUIRE);
  if (end < bytes_read_ || end > kNamesBytes) return fail(Errc::malformed, "the ring's names end outside their place");
  while (bytes_read_ < end) {
    const std::size_t size = __atomic_load_n(ring.names + bytes_read_, __ATOMIC_RELAXED);
    if (size == 0 || size >= end - bytes_read_ || texts_.size() == kMostNames) {
      return fail(Errc::malformed, "the ring's names do not fill their place");
    }
    texts_.push_back(copy_text(ring.names + bytes_read_ + 1, size));
    bytes_read_ += 1 + size;
  }
  return {};
}

}  // namespace everywatt::marks
