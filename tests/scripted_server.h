// A server on loopback that gives one prepared answer after the other and keeps
// what it was asked. An empty answer hangs up without a word; one that says
// keep-alive leaves the connection open for the next request. For tests.
#pragma once
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace everywatt {

class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers) : answers_{std::move(answers)} {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    (void)::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    (void)::listen(listener_, 8);
    (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread{[this] { serve(); }};
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    ::close(listener_);
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // What was asked, whole; once all answers are given.
  const std::vector<std::string>& requests() {
    thread_.join();
    return requests_;
  }

 private:
  void serve() {
    for (const std::string& answer : answers_) {
      if (!wait_for_request()) break;
      requests_.push_back(read_request(peer_));
      (void)::send(peer_, answer.data(), answer.size(), MSG_NOSIGNAL);
      if (!answer.contains("keep-alive")) hang_up();
    }
    hang_up();
  }

  void hang_up() {
    if (peer_ >= 0) ::close(peer_);
    peer_ = -1;
  }

  // On the connection that is open, or on a new one.
  bool wait_for_request() {
    for (;;) {
      pollfd events[] = {{listener_, POLLIN, 0}, {peer_, POLLIN, 0}};
      (void)::poll(events, 2, -1);
      char byte = 0;
      if (events[1].revents != 0 && ::recv(peer_, &byte, 1, MSG_PEEK) > 0) return true;
      if (events[1].revents != 0) hang_up();
      if (events[0].revents == 0) continue;
      hang_up();
      peer_ = ::accept(listener_, nullptr, nullptr);
      return peer_ >= 0;
    }
  }

  static std::string read_request(int peer) {
    std::string text;
    char buffer[4096];
    for (;;) {
      const auto head = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      const std::size_t body = length < head ? std::stoul(text.substr(length + 16)) : 0;
      if (head != text.npos && text.size() >= head + 4 + body) return text;
      const ssize_t n = ::recv(peer, buffer, sizeof buffer, 0);
      if (n <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(n));
    }
  }

  std::vector<std::string> answers_, requests_;
  int listener_ = -1;
  int peer_ = -1;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace everywatt
