// What the tests of marks share: a place for a socket, jobs that are processes
// of their own, and a list of what was heard of them.
#pragma once
#include <everywatt.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "marks/mark_server.h"

namespace everywatt::marks::testing {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().what);
  return *std::move(result);
}

// A byte that one process waits for and the other sends.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_.data()) != 0) std::abort();
  }
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  void give() const { (void)!::write(ends_[1], "x", 1); }
  void await() const {
    char byte = 0;
    while (::read(ends_[0], &byte, 1) < 0 && errno == EINTR) {
    }
  }

 private:
  std::array<int, 2> ends_{};
};

class Marks : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "everywatt-marks-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "marks.sock";
    ::setenv("EVERYWATT_SOCKET", path_.c_str(), 1);
    ::unsetenv("EVERYWATT_DISABLED");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static Nanoseconds now() { return RealClock{}.now().steady; }

  // Runs `work` in a process of its own, which has not opened anything yet.
  static pid_t start(const std::function<void()>& work) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    work();
    ::_exit(0);
  }
  // Its exit status, or minus the signal that ended it.
  static int end_of(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  static int run(const std::function<void()>& work) { return end_of(start(work)); }

  void listen() { server_.emplace(must(MarkServer::listen(path_))); }
  void look() { keep(server_->accept_and_drain(now(), sink_)); }
  void finish() { keep(server_->finish(now(), sink_)); }

  // Of all marks, those that are a T.
  template <class T>
  std::vector<T> all() const {
    std::vector<T> found;
    for (const Mark& mark : heard_) {
      if (const T* what = std::get_if<T>(&mark.what)) found.push_back(*what);
    }
    return found;
  }
  ProcessEnd only_end() const {
    const auto ends = all<ProcessEnd>();
    return ends.size() == 1 ? ends.front() : ProcessEnd{.trouble = std::to_string(ends.size()) + " ends"};
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  std::optional<MarkServer> server_;
  std::vector<Mark> heard_;
  std::vector<std::string> lines_;
  MarkSink sink_ = [this](const Mark& mark) { heard_.push_back(mark); };

 private:
  void keep(std::vector<std::string> lines) { std::ranges::move(lines, std::back_inserter(lines_)); }
};

}  // namespace everywatt::marks::testing
