// The kernel's own account of TCP connections (sock_diag(7), NETLINK_SOCK_DIAG):
// all that are open, asked for when wanted, and, with CAP_NET_ADMIN, a last
// word on each one that ends. It speaks of the network namespace that we are in.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace everywatt {

struct InternetAddress {
  bool is_v6 = false;
  std::array<std::uint8_t, 16> bytes = {};  // network order; the first four where it is not v6
};

struct TcpConnection {
  std::uint64_t cookie = 0;               // names the socket for as long as the machine is up
  std::uint32_t inode = 0;                // of its file; 0 once no process holds it
  std::optional<std::uint64_t> cgroup{};  // in which it was made
  bool listens = false;
  std::uint16_t local_port = 0;
  InternetAddress remote;
  // Payload without retransmissions. The end of a stream counts as one byte received.
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
};

class SockDiag {
 public:
  static Result<SockDiag> open();

  Result<std::vector<TcpConnection>> connections();

  // Whether take_ends() can speak at all.
  bool hears_ends() const { return hears_ends_; }
  struct Ends {
    std::vector<TcpConnection> connections;
    bool missed_some = false;  // more ended at once than the kernel keeps for us
  };
  Ends take_ends();
  // Waits for more ends; false once that long has passed in silence.
  bool wait_for_end(int milliseconds) const;

 private:
  SockDiag(Fd questions, Fd ends, bool hears_ends)
      : questions_{std::move(questions)}, ends_{std::move(ends)}, hears_ends_{hears_ends} {}
  Result<void> ask(std::uint8_t family, std::vector<TcpConnection>& found);

  Fd questions_;
  Fd ends_;
  bool hears_ends_;
};

// The connections that one datagram of the kernel tells of. `last` becomes true
// at the end of a list, or where the kernel refuses.
std::vector<TcpConnection> parse_sock_diag(std::span<const std::byte> datagram, bool& last);

}  // namespace everywatt
