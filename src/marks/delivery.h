// How a process makes its ring and hands it to the supervisor: a file in memory
// that can neither shrink nor grow, sent with one packet over a Unix socket.
// Nothing here waits: where nobody listens, or too many queue, the answer is
// "later", and the ring goes on taking marks.
#pragma once
#include <sys/types.h>

#include <cstdint>

#include "marks/ring_layout.h"

namespace everywatt::marks {

inline constexpr std::size_t kMostPathBytes = 108;  // of sockaddr_un, its final zero included

// One of our files, which the process may have closed behind our back: its number is used only while it is still ours.
struct OwnFile {
  int fd = -1;
  dev_t device = 0;
  ino_t inode = 0;

  bool is_ours() const;
  void close();
};

struct ProcessIdentity {
  std::uint32_t pid = 0;
  std::uint64_t start_ticks = 0;  // 0: not known
  char name[sizeof Greeting::name] = {};
};
ProcessIdentity own_identity();

// A new ring, with its header written; null where the kernel gives none.
Ring* make_ring(std::uint32_t generation, OwnFile& file);

enum class Delivery { done, later, never };  // never: the process closed our file
// `path` must fit. The socket takes the ring along even if this process ends in the next moment.
Delivery deliver(const OwnFile& file, const char* path, const ProcessIdentity& own, const ProcessIdentity& parent);

}  // namespace everywatt::marks
