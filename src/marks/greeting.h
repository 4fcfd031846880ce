// How a process introduces itself: one packet on a Unix socket, with the file of
// its ring, sent without waiting for an answer.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"
#include "marks/ring_reader.h"
#include "model/mark.h"

namespace everywatt::marks {

struct Introduction {
  Writer writer;
  ProcessBegin begin;
};

// What the packet says. `peer` is the sender's pid as the kernel gives it; 0: it is not to be seen from here.
Result<Introduction> parse_greeting(std::span<const std::byte> packet, std::int32_t peer);

// A packet as it came: what there was of it, and the files with it.
struct Packet {
  std::vector<std::byte> bytes;
  std::vector<Fd> files;
};
// None where nothing came yet; an empty one where the other side has gone without a word.
std::optional<Packet> take_packet(const Fd& connection);

// Who made the connection; 0: nobody to be seen from here.
std::int32_t peer_of(const Fd& connection);

}  // namespace everywatt::marks
