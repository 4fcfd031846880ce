#include "job/network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>

#include <cstring>
#include <string>

#include "job/driven.h"

namespace everywatt {
namespace {

using namespace everywatt::testing;

NetworkClass class_of(const char* text) {
  InternetAddress address;
  address.is_v6 = std::strchr(text, ':') != nullptr;
  EXPECT_EQ(::inet_pton(address.is_v6 ? AF_INET6 : AF_INET, text, address.bytes.data()), 1) << text;
  return classify(address);
}

TEST(NetworkClasses, FollowTheRemoteAddress) {
  for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(class_of(text), NetworkClass::loopback) << text;
  }
  for (const char* text : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "100.64.0.1",
                           "100.127.0.1", "fe80::1", "fd00::1", "fc00::1", "::ffff:10.0.0.1"}) {
    EXPECT_EQ(class_of(text), NetworkClass::private_network) << text;
  }
  for (const char* text : {"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.169.0.1",
                           "2001:db8::1", "::2", "::ffff:8.8.8.8", "::1:0"}) {
    EXPECT_EQ(class_of(text), NetworkClass::internet) << text;
  }
}

TEST(SockDiagDatagrams, AreReadWithoutTrust) {
  std::vector<std::byte> datagram(sizeof(nlmsghdr) + sizeof(inet_diag_msg) + 8);
  nlmsghdr head{};
  head.nlmsg_len = static_cast<std::uint32_t>(datagram.size());
  head.nlmsg_type = 20;
  for (const std::uint32_t length : {head.nlmsg_len, 0u, 3u, 0xffffffffu, head.nlmsg_len - 9, head.nlmsg_len + 1}) {
    head.nlmsg_len = length;
    std::memcpy(datagram.data(), &head, sizeof head);
    for (std::size_t size = 0; size <= datagram.size(); ++size) {
      bool last = false;
      EXPECT_TRUE(parse_sock_diag({datagram.data(), size}, last).empty()) << "no counts, no connection";
      EXPECT_FALSE(last);
    }
  }
}

// Both ends of a connection over the loopback of a namespace of its own, with
// pauses of which the first lets the connection be seen and the others do not.
constexpr const char* kTalk = R"(
import socket, sys, time
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
time.sleep(.25)
def talk(length, pause):
    client = socket.create_connection(server.getsockname()); peer, _ = server.accept()
    time.sleep(pause)
    client.sendall(b'x' * length)
    left = length
    while left: left -= len(peer.recv(65536))
    peer.sendall(b'yes'); client.recv(3)
    client.close(); peer.close()
talk(1000000, .25)
time.sleep(.15)
if len(sys.argv) > 1: talk(500000, 0)
)";

class Loopback : public ::testing::Test {
 protected:
  std::map<std::string, std::string> measure(const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"};
    std::vector<std::string> job{"/usr/bin/python3", "-c", kTalk};
    job.insert(job.end(), arguments.begin(), arguments.end());
    const auto driver = driven({"--report", notes_.path("report")}, job);
    command.insert(command.end(), driver.begin(), driver.end());
    EXPECT_EQ(run(command), 0);
    return notes_.report("report");
  }
  Notes notes_;
};

TEST_F(Loopback, CountsWhatPassesBetweenTheLastLookAndTheEndOfAConnection) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a network namespace of its own";
  auto report = measure({});
  // 1,000,000 one way, 3 the other; the two ends of the stream count one byte each.
  EXPECT_EQ(report["loopback.sent"], "1000003");
  EXPECT_NEAR(std::stod(report.at("loopback.received")), 1000003, 2);
  EXPECT_EQ(report["loopback.lower_bound"], "0");
  EXPECT_FALSE(report.contains("internet.sent") || report.contains("private.sent"));
}

TEST_F(Loopback, SaysSoWhereAConnectionWasGoneBeforeALook) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs a network namespace of its own";
  auto report = measure({"short"});
  // The accepting end is told by its port; of the other nobody can say whose it was.
  EXPECT_GE(std::stod(report.at("loopback.received")), 1500003);
  EXPECT_EQ(report["loopback.lower_bound"], "1");
}

TEST(NetworkMeter, SaysNothingOfARunWithoutConnections) {
  const Notes notes;
  ASSERT_EQ(run(driven({"--report", notes.path("report")}, {"sleep", "0.2"})), 0);
  for (const auto& [key, value] : notes.report("report")) EXPECT_EQ(key.find("lower_bound"), key.npos) << key;
}

}  // namespace
}  // namespace everywatt
