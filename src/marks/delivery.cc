#include "marks/delivery.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace everywatt::marks {
namespace {

#ifndef MFD_NOEXEC_SEAL
constexpr unsigned MFD_NOEXEC_SEAL = 0x0008;  // since Linux 6.3, which may insist on it (vm.memfd_noexec)
#endif

// A file beyond the process's limit would end it (SIGXFSZ), also one in memory.
bool is_file_allowed() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur >= sizeof(Ring);
}

int make_file() {
  if (!is_file_allowed()) return -1;
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = ::memfd_create("everywatt-marks", kFlags | MFD_NOEXEC_SEAL);
  return fd < 0 && errno == EINVAL ? ::memfd_create("everywatt-marks", kFlags) : fd;
}

// The line of proc(5)'s stat: the name in parentheses, which may hold any characters, and field 22, the start.
void read_stat_line(const char* line, ProcessIdentity& identity) {
  const char* open = std::strchr(line, '(');
  const char* close = std::strrchr(line, ')');
  if (!open || !close || close < open) return;
  const auto length = static_cast<std::size_t>(close - open - 1);
  std::memcpy(identity.name, open + 1, length < sizeof identity.name ? length : sizeof identity.name - 1);
  const char* at = close;
  for (int field = 2; at && field < 22; ++field) at = std::strchr(at + 1, ' ');
  identity.start_ticks = at ? std::strtoull(at, nullptr, 10) : 0;
}

bool send_file(int socket, const Greeting& greeting, int fd) {
  iovec data{.iov_base = const_cast<Greeting*>(&greeting), .iov_len = sizeof greeting};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof greeting;
}

}  // namespace

bool OwnFile::is_ours() const {
  struct stat now;
  return fd >= 0 && ::fstat(fd, &now) == 0 && now.st_dev == device && now.st_ino == inode;
}

void OwnFile::close() {
  if (is_ours()) ::close(fd);
  fd = -1;
}

ProcessIdentity own_identity() {
  ProcessIdentity identity{.pid = static_cast<std::uint32_t>(::getpid())};
  const int fd = ::open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return identity;
  char line[1024];
  const ssize_t size = ::read(fd, line, sizeof line - 1);
  ::close(fd);
  if (size <= 0) return identity;
  line[size] = '\0';
  read_stat_line(line, identity);
  return identity;
}

Ring* make_ring(std::uint32_t generation, OwnFile& file) {
  OwnFile made{.fd = make_file()};
  if (made.fd < 0) return nullptr;
  struct stat status{};
  void* memory = MAP_FAILED;
  if (::ftruncate(made.fd, sizeof(Ring)) == 0 &&
      ::fcntl(made.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 && ::fstat(made.fd, &status) == 0) {
    memory = ::mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED, made.fd, 0);
  }
  if (memory == MAP_FAILED) {
    ::close(made.fd);
    return nullptr;
  }
  made.device = status.st_dev;
  made.inode = status.st_ino;
  file = made;
  auto* ring = static_cast<Ring*>(memory);
  ring->header.version = kVersion;
  ring->header.slot_count = kSlotCount;
  ring->header.slot_bytes = sizeof(Slot);
  ring->header.names_bytes = kNamesBytes;
  ring->header.generation = generation;
  ring->header.magic = kRingMagic;
  return ring;
}

Delivery deliver(const OwnFile& file, const char* path, const ProcessIdentity& own, const ProcessIdentity& parent) {
  if (!file.is_ours()) return Delivery::never;
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return Delivery::later;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  Greeting greeting{};
  greeting.magic = kGreetingMagic;
  greeting.version = kVersion;
  greeting.pid = own.pid;
  greeting.start_ticks = own.start_ticks;
  greeting.parent_pid = parent.pid;
  greeting.parent_start_ticks = parent.start_ticks;
  std::memcpy(greeting.name, own.name, sizeof greeting.name);
  const bool sent = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                    send_file(socket, greeting, file.fd);
  ::close(socket);
  return sent ? Delivery::done : Delivery::later;
}

}  // namespace everywatt::marks
