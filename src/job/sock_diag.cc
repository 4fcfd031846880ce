#include "job/sock_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace everywatt {
namespace {

using Bytes = std::span<const std::byte>;

// enum of the kernel's include/net/tcp_states.h, which user space has no copy of.
constexpr std::uint8_t kStateTimeWait = 6;
constexpr std::uint8_t kStateListen = 10;
// Only what is left of a connection, without counts.
constexpr std::uint32_t kStatesAsked = 0xfff & ~(1u << kStateTimeWait);

constexpr std::size_t kDatagramBytes = std::size_t{32} * 1024;  // the kernel fills dumps up to this
constexpr int kKeptBytes = 1 << 20;                             // of ends not taken yet: about a thousand

// Copies a structure from the front; what an older kernel does not write is zero.
template <class T>
T read_front(Bytes bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

constexpr std::size_t aligned(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

// Each netlink attribute: length and type, two bytes each, then its value.
template <class Visit>
void for_each_attribute(Bytes bytes, Visit visit) {
  while (bytes.size() >= sizeof(rtattr)) {
    const auto head = read_front<rtattr>(bytes);
    if (head.rta_len < sizeof head || head.rta_len > bytes.size()) return;
    visit(head.rta_type, bytes.subspan(sizeof head, head.rta_len - sizeof head));
    bytes = bytes.subspan(std::min(aligned(head.rta_len), bytes.size()));
  }
}

void read_counts(Bytes value, TcpConnection& connection) {
  const auto info = read_front<tcp_info>(value);
  connection.received = info.tcpi_bytes_received;
  // Since Linux 4.19; before, what was acknowledged.
  const bool tells_sent = value.size() >= offsetof(tcp_info, tcpi_bytes_retrans) + sizeof info.tcpi_bytes_retrans;
  connection.sent = tells_sent ? info.tcpi_bytes_sent - std::min(info.tcpi_bytes_sent, info.tcpi_bytes_retrans)
                               : info.tcpi_bytes_acked;
}

std::optional<TcpConnection> read_connection(Bytes message) {
  if (message.size() < sizeof(inet_diag_msg)) return std::nullopt;
  const auto head = read_front<inet_diag_msg>(message);
  // Without a remote port there is no connection: a listener that goes, or a socket that is only bound (since
  // Linux 6.8).
  const bool is_connected = head.id.idiag_dport != 0;
  if (!is_connected && head.idiag_state != kStateListen) return std::nullopt;
  TcpConnection connection{.cookie = head.id.idiag_cookie[0] | std::uint64_t{head.id.idiag_cookie[1]} << 32,
                           .inode = head.idiag_inode,
                           .listens = head.idiag_state == kStateListen,
                           .local_port = ntohs(head.id.idiag_sport),
                           .remote = {}};
  connection.remote.is_v6 = head.idiag_family == AF_INET6;
  std::memcpy(connection.remote.bytes.data(), head.id.idiag_dst, connection.remote.bytes.size());
  bool counted = false;
  for_each_attribute(message.subspan(aligned(sizeof head)), [&](unsigned type, Bytes value) {
    if (type == INET_DIAG_INFO) {
      read_counts(value, connection);
      counted = true;
    }
    if (type == INET_DIAG_CGROUP_ID && value.size() == sizeof(std::uint64_t)) {
      connection.cgroup = read_front<std::uint64_t>(value);
    }
  });
  return counted ? std::optional{connection} : std::nullopt;
}

// A socket without an address of its own would count as the kernel's, who is not told what it tells.
bool bind_somewhere(const Fd& socket) {
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool join(const Fd& socket, int group) {
  return ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0;
}

Fd netlink_socket() { return Fd{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG)}; }

}  // namespace

std::vector<TcpConnection> parse_sock_diag(Bytes datagram, bool& last) {
  std::vector<TcpConnection> found;
  while (datagram.size() >= sizeof(nlmsghdr)) {
    const auto head = read_front<nlmsghdr>(datagram);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram.size()) break;
    if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) last = true;
    if (head.nlmsg_type == SOCK_DIAG_BY_FAMILY) {
      const auto connection = read_connection(datagram.subspan(sizeof head, head.nlmsg_len - sizeof head));
      if (connection) found.push_back(*connection);
    }
    datagram = datagram.subspan(std::min(aligned(head.nlmsg_len), datagram.size()));
  }
  return found;
}

Result<SockDiag> SockDiag::open() {
  Fd questions = netlink_socket();
  Fd ends = netlink_socket();
  if (!questions || !ends) return fail_errno(errno, "ask the kernel for connections (sock_diag)");
  ::setsockopt(ends.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kKeptBytes, sizeof kKeptBytes);
  const bool hears =
      bind_somewhere(ends) && join(ends, SKNLGRP_INET_TCP_DESTROY) && join(ends, SKNLGRP_INET6_TCP_DESTROY);
  return SockDiag{std::move(questions), std::move(ends), hears};
}

Result<std::vector<TcpConnection>> SockDiag::connections() {
  std::vector<TcpConnection> found;
  CHECK(ask(AF_INET, found));
  CHECK(ask(AF_INET6, found));
  return found;
}

Result<void> SockDiag::ask(std::uint8_t family, std::vector<TcpConnection>& found) {
  struct {
    nlmsghdr head{};
    inet_diag_req_v2 request{};
  } question;
  question.head.nlmsg_len = sizeof question;
  question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.request.sdiag_family = family;
  question.request.sdiag_protocol = IPPROTO_TCP;
  question.request.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  question.request.idiag_states = kStatesAsked;
  if (::send(questions_.get(), &question, sizeof question, 0) < 0) return fail_errno(errno, "ask for TCP connections");
  std::vector<std::byte> buffer(kDatagramBytes);
  for (bool last = false; !last;) {
    // The kernel answers while it is asked: there is nothing to wait for.
    const ssize_t size = ::recv(questions_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return fail_errno(errno, "read the list of TCP connections");
    const auto more = parse_sock_diag({buffer.data(), static_cast<std::size_t>(size)}, last);
    found.insert(found.end(), more.begin(), more.end());
  }
  return {};
}

SockDiag::Ends SockDiag::take_ends() {
  Ends ends;
  std::vector<std::byte> buffer(4096);
  for (;;) {
    const ssize_t size = ::recv(ends_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == ENOBUFS) {
      ends.missed_some = true;
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return ends;
    bool last = false;
    const auto more = parse_sock_diag({buffer.data(), static_cast<std::size_t>(size)}, last);
    ends.connections.insert(ends.connections.end(), more.begin(), more.end());
  }
}

bool SockDiag::wait_for_end(int milliseconds) const {
  pollfd event{.fd = ends_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, milliseconds) > 0;
}

}  // namespace everywatt
