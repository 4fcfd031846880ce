// The names that a process has used, each with a number for life. Found without
// a lock; added by one thread at a time. Their texts stand in memory as they
// stand in the ring (ring_layout.h), so that a ring that is made later, by a
// forked child say, gets them by one copy.
#pragma once
#include <atomic>
#include <cstdint>

#include "marks/ring_layout.h"

namespace everywatt::marks {

class NameTable {
 public:
  // 0: not there.
  std::uint32_t find(const char* text, std::size_t size) const;
  // Adds a text that find() does not know; 0: no room. Callers take turns. `ring` gets it too, if there is one.
  std::uint32_t add(const char* text, std::size_t size, Ring* ring);
  // Callers take turns with add().
  void copy_into(Ring& ring) const;

 private:
  static constexpr std::uint32_t kBuckets = 2 * kMostNames;
  // The bucket that holds the text, or the empty one where it belongs.
  std::uint32_t bucket_of(const char* text, std::size_t size) const;

  std::atomic<std::uint32_t> buckets_[kBuckets] = {};  // a name's number; 0: empty
  std::uint32_t offsets_[kMostNames + 1] = {};         // of the length, in bytes_
  unsigned char bytes_[kNamesBytes] = {};
  std::uint32_t end_ = 0;
  std::uint32_t count_ = 0;
};

// How much of a text counts: at most `most` bytes, cut between characters of UTF-8.
std::size_t counted_bytes(const char* text, std::size_t most);

}  // namespace everywatt::marks
