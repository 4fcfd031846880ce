#include "job/network.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>

#include "base/text.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

// The kernel needs less than a millisecond to close what a process left open.
constexpr int kLastWordMilliseconds = 5;

NetworkClass classify_v4(std::span<const std::uint8_t, 4> a) {
  if (a[0] == 127) return NetworkClass::loopback;  // RFC 1122, 3.2.1.3
  const bool is_private = a[0] == 10 ||            // RFC 1918
                          (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
                          (a[0] == 169 && a[1] == 254) ||        // RFC 3927, link-local
                          (a[0] == 100 && (a[1] & 0xc0) == 64);  // RFC 6598, carrier-grade NAT
  return is_private ? NetworkClass::private_network : NetworkClass::internet;
}

// "socket:[12345]"
std::optional<std::uint32_t> socket_inode(std::string_view target) {
  constexpr std::string_view kHead = "socket:[";
  if (!target.starts_with(kHead) || !target.ends_with(']')) return std::nullopt;
  const auto number = parse_u64(target.substr(kHead.size(), target.size() - kHead.size() - 1));
  return number ? std::optional{static_cast<std::uint32_t>(*number)} : std::nullopt;
}

// A socket's file tells its protocol: "TCP", "TCPv6", "UNIX-STREAM" …
bool speaks_tcp(const fs::path& file) {
  std::array<char, 32> name{};
  const ssize_t size = ::getxattr(file.c_str(), "system.sockprotoname", name.data(), name.size());
  return size > 0 && std::string_view{name.data()}.starts_with("TCP");
}

bool shares_our_network(pid_t pid) {
  struct stat ours{}, theirs{};
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  if (::stat("/proc/self/ns/net", &ours) != 0 || ::stat(path.c_str(), &theirs) != 0) return true;
  return ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

constexpr std::string_view name_of(NetworkClass kind) {
  constexpr std::array<std::string_view, kNetworkClasses> kNames = {"internet", "private", "loopback"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace

NetworkClass classify(const InternetAddress& remote) {
  const std::span<const std::uint8_t, 16> a{remote.bytes};
  if (!remote.is_v6) return classify_v4(a.first<4>());
  const bool leading_zeros = std::ranges::all_of(a.first<10>(), [](auto byte) { return byte == 0; });
  // RFC 4291: ::ffff:a.b.c.d is an address of version 4, ::1 the loopback.
  if (leading_zeros && a[10] == 0xff && a[11] == 0xff) return classify_v4(a.last<4>());
  if (leading_zeros && std::ranges::all_of(a.subspan(10, 5), [](auto byte) { return byte == 0; }) && a[15] == 1) {
    return NetworkClass::loopback;
  }
  const bool link_local = a[0] == 0xfe && (a[1] & 0xc0) == 0x80;  // RFC 4291, 2.5.6
  const bool unique_local = (a[0] & 0xfe) == 0xfc;                // RFC 4193
  return link_local || unique_local ? NetworkClass::private_network : NetworkClass::internet;
}

NetworkMeter::NetworkMeter(Past past) : past_{past} {
  if (auto diag = SockDiag::open()) diag_.emplace(*std::move(diag));
}

void NetworkMeter::look(std::span<const ProcessStat> processes, std::span<const std::uint64_t> cgroups) {
  if (!diag_) return;
  const std::set<std::uint32_t> inodes = tcp_inodes(processes);
  if (inodes.empty() && known_.empty()) {
    foreign_.clear();
  } else {
    take_open(inodes, cgroups);
  }
  take_ends();
  first_look_ = false;
}

void NetworkMeter::look_last(std::span<const ProcessStat> processes, std::span<const std::uint64_t> cgroups) {
  look(processes, cgroups);
  while (!known_.empty() && diag_->hears_ends() && diag_->wait_for_end(kLastWordMilliseconds)) take_ends();
}

std::set<std::uint32_t> NetworkMeter::tcp_inodes(std::span<const ProcessStat> processes) {
  std::set<std::uint32_t> found;
  std::map<std::uint32_t, bool> held;
  for (const ProcessStat& process : processes) {
    std::error_code error;
    bool has_tcp = false;
    const fs::path folder = "/proc/" + std::to_string(process.pid) + "/fd";
    for (fs::directory_iterator entry{folder, error}, end; !error && entry != end; entry.increment(error)) {
      std::array<char, 64> target;
      const ssize_t size = ::readlink(entry->path().c_str(), target.data(), target.size());
      const auto inode = size > 0 ? socket_inode({target.data(), static_cast<std::size_t>(size)}) : std::nullopt;
      if (!inode) continue;
      const auto before = is_tcp_.find(*inode);
      const bool tcp = before != is_tcp_.end() ? before->second : speaks_tcp(entry->path());
      held[*inode] = tcp;
      if (tcp) found.insert(*inode);
      has_tcp |= tcp;
    }
    if (has_tcp && !shares_our_network(process.pid)) missed_some_ = true;
  }
  is_tcp_ = std::move(held);
  return found;
}

void NetworkMeter::take_open(const std::set<std::uint32_t>& inodes, std::span<const std::uint64_t> cgroups) {
  const auto open = diag_->connections();
  if (!open) {
    missed_some_ = true;
    return;
  }
  foreign_.clear();
  listening_.clear();
  std::set<std::uint64_t> still_open;
  for (const TcpConnection& connection : *open) {
    const bool was_ours = known_.contains(connection.cookie);
    const bool ours = was_ours || inodes.contains(connection.inode) ||
                      (connection.cgroup && std::ranges::count(cgroups, *connection.cgroup) > 0);
    if (!ours) {
      foreign_.insert(connection.cookie);
    } else if (connection.listens) {
      listening_.insert(connection.local_port);
    } else {
      Known& known = known_[connection.cookie];
      if (!was_ours) {
        known.kind = classify(connection.remote);
        const bool had_a_past = first_look_ && past_ == Past::of_others;
        if (had_a_past) std::tie(known.received, known.sent) = std::pair{connection.received, connection.sent};
      }
      advance(known, connection);
      still_open.insert(connection.cookie);
    }
  }
  give_up_on_gone(still_open);
}

// What we saw of a connection is all that we will know when the kernel's last
// word cannot be heard, or has not come from one look to the next.
void NetworkMeter::give_up_on_gone(const std::set<std::uint64_t>& still_open) {
  for (auto each = known_.begin(); each != known_.end();) {
    const bool was_gone = std::exchange(each->second.gone, !still_open.contains(each->first));
    const bool lost = each->second.gone && (was_gone || !diag_->hears_ends());
    missed_some_ |= lost;
    each = lost ? known_.erase(each) : std::next(each);
  }
}

void NetworkMeter::take_ends() {
  const SockDiag::Ends ends = diag_->take_ends();
  missed_some_ |= ends.missed_some;
  for (const TcpConnection& connection : ends.connections) {
    const auto known = known_.find(connection.cookie);
    if (known != known_.end()) {
      advance(known->second, connection);
      known_.erase(known);
    } else if (foreign_.erase(connection.cookie) > 0 || connection.listens) {
      continue;
    } else if (listening_.contains(connection.local_port)) {
      // Came in on a port of the run, and was gone before we looked.
      Known unseen{.kind = classify(connection.remote)};
      advance(unseen, connection);
    } else if (connection.received + connection.sent > 0) {
      // Perhaps ours, and nobody can say: the class is listed, as a lower bound.
      missed_some_ = true;
      sums_[static_cast<std::size_t>(classify(connection.remote))].seen = true;
    }
  }
}

void NetworkMeter::advance(Known& known, const TcpConnection& now) {
  Sum& sum = sums_[static_cast<std::size_t>(known.kind)];
  sum.seen = true;
  sum.received += std::max(now.received, known.received) - known.received;
  sum.sent += std::max(now.sent, known.sent) - known.sent;
  known.received = std::max(now.received, known.received);
  known.sent = std::max(now.sent, known.sent);
}

std::vector<NetworkBytes> NetworkMeter::bytes() const {
  std::vector<NetworkBytes> found;
  for (std::size_t kind = 0; kind < kNetworkClasses; ++kind) {
    if (!sums_[kind].seen) continue;
    found.push_back({.kind = std::string{name_of(static_cast<NetworkClass>(kind))},
                     .received = sums_[kind].received,
                     .sent = sums_[kind].sent,
                     .lower_bound = missed_some_ || !diag_ || !diag_->hears_ends()});
  }
  return found;
}

}  // namespace everywatt
