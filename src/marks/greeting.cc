#include "marks/greeting.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "marks/ring_layout.h"

namespace everywatt::marks {
namespace {

constexpr std::size_t kMostFiles = 4;  // one is expected; the kernel closes those for which there is no room

std::optional<ProcessKey> parent_of(const Greeting& greeting) {
  if (greeting.parent_pid == 0) return std::nullopt;
  return ProcessKey{.pid = static_cast<std::int32_t>(greeting.parent_pid), .start_ticks = greeting.parent_start_ticks};
}

void take_files(msghdr& message, std::vector<Fd>& files) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, reinterpret_cast<const char*>(part) + at, sizeof fd);
      files.emplace_back(fd);
    }
  }
}

}  // namespace

Result<Introduction> parse_greeting(std::span<const std::byte> packet, std::int32_t peer) {
  Greeting greeting{};
  if (packet.size() != sizeof greeting) {
    return fail(Errc::malformed, "a greeting of " + std::to_string(packet.size()) + " bytes where " +
                                     std::to_string(sizeof greeting) + " were expected");
  }
  std::memcpy(&greeting, packet.data(), sizeof greeting);
  if (greeting.magic != kGreetingMagic) return fail(Errc::malformed, "a greeting that is none of libeverywatt's");
  if (greeting.version != kVersion) {
    return fail(Errc::malformed, "marks of version " + std::to_string(greeting.version) + ", this everywatt reads " +
                                     std::to_string(kVersion) + ": use the libeverywatt that came with it");
  }
  const auto own_pid = static_cast<std::int32_t>(greeting.pid);
  return Introduction{
      .writer = {.process = {.pid = peer ? peer : own_pid, .start_ticks = greeting.start_ticks}, .own_pid = own_pid},
      .begin = {.name = {greeting.name, ::strnlen(greeting.name, sizeof greeting.name)},
                .forked_from = parent_of(greeting)}};
}

std::optional<Packet> take_packet(const Fd& connection) {
  std::array<std::byte, 2 * sizeof(Greeting)> bytes;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFiles * sizeof(int))> control{};
  iovec data{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(connection.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  Packet packet;
  if (size <= 0) return packet;
  packet.bytes.assign(bytes.begin(), bytes.begin() + size);
  take_files(message, packet.files);
  return packet;
}

std::int32_t peer_of(const Fd& connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

}  // namespace everywatt::marks
