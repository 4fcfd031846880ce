// For tests: supervisors and their jobs as processes of their own.
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "tests/fixture_tree.h"

namespace everywatt::testing {

// Asks again until it is so; false after ten seconds.
inline bool eventually(const std::function<bool()>& question) {
  using namespace std::chrono_literals;
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (!question()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

inline pid_t launch(std::vector<std::string> command, const std::function<void()>& before_exec = {}) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (before_exec) before_exec();
  ::execvp(arguments[0], arguments.data());
  ::_exit(125);
}

// As a shell tells it.
inline int wait_for(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, 0) != pid) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

inline int run(std::vector<std::string> command, const std::function<void()>& before_exec = {}) {
  return wait_for(launch(std::move(command), before_exec));
}

inline std::vector<std::string> driven(std::vector<std::string> options, const std::vector<std::string>& command) {
  options.insert(options.begin(), JOB_DRIVER);
  options.insert(options.end(), command.begin(), command.end());
  return options;
}

// 'T' stopped, 'S' sleeping, 'Z' ended …; 0 where there is no such process.
inline char state_of(pid_t pid) {
  const auto stat = read_text("/proc/" + std::to_string(pid) + "/stat");
  if (!stat) return 0;
  const auto close = stat->rfind(')');
  return close == stat->npos || close + 2 >= stat->size() ? '\0' : (*stat)[close + 2];
}

// One test's folder: what jobs and drivers write there.
class Notes {
 public:
  std::string path(const std::string& name) const { return (tree_.root() / name).string(); }
  bool has(const std::string& name) const { return std::filesystem::exists(tree_.root() / name); }
  std::string text(const std::string& name) const { return read_line(tree_.root() / name).value_or(""); }
  std::string script(const std::string& name, std::string_view text) const {
    tree_.write(name, text);
    tree_.set_mode(name, 0755);
    return path(name);
  }
  void open_to_all() const { tree_.set_mode(".", 0777); }
  // A process number that is written there; waits for it, and throws when none comes.
  pid_t pid(const std::string& name) const {
    std::optional<std::int64_t> found;
    eventually([&] { return (found = parse_i64(text(name))).has_value(); });
    if (!found) throw std::runtime_error("nobody wrote " + name);  // 0 would be our whole process group
    return static_cast<pid_t>(*found);
  }
  // A driver's report.
  std::map<std::string, std::string> report(const std::string& name) const {
    std::map<std::string, std::string> values;
    const std::string all = text(name);
    for (const std::string_view line : split(all, '\n')) {
      const auto blank = line.find(' ');
      if (blank != line.npos) values[std::string{line.substr(0, blank)}] = line.substr(blank + 1);
    }
    return values;
  }

 private:
  FixtureTree tree_;
};

}  // namespace everywatt::testing
