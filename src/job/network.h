// How many bytes a run's TCP connections moved, apart by where the other end
// is. Looked at every few seconds and at the end; costs nothing to speak of
// while the run has no TCP socket.
//
// A connection that ends between two looks is counted by the kernel's last word
// on it, where we may hear that (CAP_NET_ADMIN). Where we may not, or where a
// connection began and ended between two looks and nobody can say whose it was,
// the figures are a lower bound and say so. UDP (QUIC, DNS) is not seen at all,
// nor are connections of processes in a network namespace of their own.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_set>
#include <vector>

#include "job/process.h"
#include "job/sock_diag.h"
#include "model/run.h"

namespace everywatt {

enum class NetworkClass : std::uint8_t { internet, private_network, loopback };
inline constexpr std::size_t kNetworkClasses = 3;
NetworkClass classify(const InternetAddress& remote);

class NetworkMeter {
 public:
  // Connections that are open at the first look may have a past that is not the run's.
  enum class Past { of_the_run, of_others };
  explicit NetworkMeter(Past past);

  // `cgroups`: the numbers of the run's own groups, where it has any.
  void look(std::span<const ProcessStat> processes, std::span<const std::uint64_t> cgroups);
  // The same once the run has ended: waits a moment for what is still being closed.
  void look_last(std::span<const ProcessStat> processes, std::span<const std::uint64_t> cgroups);

  // One entry for each class that anything was seen of.
  std::vector<NetworkBytes> bytes() const;

 private:
  struct Known {
    NetworkClass kind = NetworkClass::internet;
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    bool gone = false;  // not open at the last look, and no last word on it yet
  };
  struct Sum {
    bool seen = false;
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
  };
  std::set<std::uint32_t> tcp_inodes(std::span<const ProcessStat> processes);
  void take_open(const std::set<std::uint32_t>& inodes, std::span<const std::uint64_t> cgroups);
  void give_up_on_gone(const std::set<std::uint64_t>& still_open);
  void take_ends();
  void advance(Known& known, const TcpConnection& now);

  Past past_;
  std::optional<SockDiag> diag_;
  std::map<std::uint32_t, bool> is_tcp_;       // by inode, of the sockets that the run holds
  std::map<std::uint64_t, Known> known_;       // the run's open connections, by cookie
  std::unordered_set<std::uint64_t> foreign_;  // the others at the last look
  std::set<std::uint16_t> listening_;          // ports of the run
  std::array<Sum, kNetworkClasses> sums_;
  bool missed_some_ = false;
  bool first_look_ = true;
};

}  // namespace everywatt
