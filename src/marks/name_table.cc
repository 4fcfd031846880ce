#include "marks/name_table.h"

#include <cstring>

namespace everywatt::marks {
namespace {

std::uint32_t hash_of(const char* text, std::size_t size) {
  std::uint64_t hash = size;
  for (std::size_t done = 0; done < size; done += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text + done, size - done < 8 ? size - done : 8);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return static_cast<std::uint32_t>(hash);
}

}  // namespace

std::uint32_t NameTable::bucket_of(const char* text, std::size_t size) const {
  // Half of the buckets stay empty: the search ends.
  for (std::uint32_t bucket = hash_of(text, size) % kBuckets;; bucket = (bucket + 1) % kBuckets) {
    const std::uint32_t number = buckets_[bucket].load(std::memory_order_acquire);
    if (number == 0) return bucket;
    const unsigned char* known = bytes_ + offsets_[number];
    if (known[0] == size && std::memcmp(known + 1, text, size) == 0) return bucket;
  }
}

std::uint32_t NameTable::find(const char* text, std::size_t size) const {
  return buckets_[bucket_of(text, size)].load(std::memory_order_acquire);
}

std::uint32_t NameTable::add(const char* text, std::size_t size, Ring* ring) {
  const std::uint32_t begin = end_;
  if (count_ == kMostNames || kNamesBytes - begin < 1 + size) return 0;
  bytes_[begin] = static_cast<unsigned char>(size);
  std::memcpy(bytes_ + begin + 1, text, size);
  end_ += static_cast<std::uint32_t>(1 + size);
  offsets_[++count_] = begin;
  if (ring) {
    std::memcpy(ring->names + begin, bytes_ + begin, 1 + size);
    store(ring->header.names_end, end_, __ATOMIC_RELEASE);
  }
  // Last: a mark with this number finds its text in the ring.
  buckets_[bucket_of(text, size)].store(count_, std::memory_order_release);
  return count_;
}

void NameTable::copy_into(Ring& ring) const {
  std::memcpy(ring.names, bytes_, end_);
  store(ring.header.names_end, end_, __ATOMIC_RELEASE);
}

std::size_t counted_bytes(const char* text, std::size_t most) {
  const std::size_t size = ::strnlen(text, most + 1);
  if (size <= most) return size;
  std::size_t end = most;
  // 10xxxxxx goes on with the character before.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return end > 0 ? end : most;
}

}  // namespace everywatt::marks
