#include "cli/net_program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace everywatt {
namespace {

// bin/everywatt and libexec/everywatt/everywatt-net lie in one tree, where they were built and where they are
// installed.
Result<std::string> net_program() {
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail_errno(error.value(), "read /proc/self/exe");
  const auto program = own.parent_path().parent_path() / "libexec" / "everywatt" / "everywatt-net";
  if (::access(program.c_str(), X_OK) == 0) return program.string();
  return fail(Errc::absent, program.string() + " is not there: install everywatt whole (make install)");
}

// Of exec's own form, which does not write to what it is given.
std::vector<char*> exec_form(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));  // NOLINT
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> with_name(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"everywatt-net"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

// In the new process: only what a child of a threaded process may call (signal-safety(7)).
[[noreturn]] void detach_and_become(const char* program, char* const* arguments) {
  ::setsid();
  if (::_Fork() != 0) ::_exit(0);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int nothing = ::open("/dev/null", O_RDWR);
  for (int stream = 0; stream <= 2; ++stream) ::dup2(nothing, stream);
  // What the job's starter left open (a pipe that somebody reads to its end) is not ours to hold.
  ::close_range(3, ~0U, 0);
  ::execv(program, arguments);
  ::_exit(127);
}

}  // namespace

Error become_net_program(const std::vector<std::string>& arguments) {
  const auto program = net_program();
  if (!program) return program.error();
  const auto words = with_name(arguments);
  const auto form = exec_form(words);
  ::execv(program->c_str(), form.data());
  return {.code = Errc::io, .what = "start " + *program + ": " + std::strerror(errno)};
}

Result<void> start_net_program(const std::vector<std::string>& arguments) {
  TRY(const std::string program, net_program());
  const auto words = with_name(arguments);
  const auto form = exec_form(words);
  const pid_t child = ::fork();
  if (child == 0) detach_and_become(program.c_str(), form.data());
  if (child < 0) return fail_errno(errno, "start " + program);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

}  // namespace everywatt
