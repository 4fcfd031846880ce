// How a command becomes a program: looked up along the PATH that the job will
// have, as execvp does, with the job's environment beside it.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace everywatt {

// Everything that execve() needs, laid out before the process is made: between
// clone and exec nothing may be allocated.
class Program {
 public:
  Program(const std::vector<std::string>& command, const std::vector<std::pair<std::string, std::string>>& environment);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Files to try, best first, ended by null.
  const char* const* candidates() const { return candidate_pointers_.data(); }
  bool searched_path() const { return searched_path_; }
  char* const* arguments() const { return arguments_.data(); }
  // A file that is no program of its own is a script of /bin/sh. The second
  // place is the file's.
  char** script_arguments() const { return script_arguments_.data(); }
  char* const* environment() const { return environment_.data(); }

 private:
  bool searched_path_ = false;
  std::vector<std::string> texts_;  // argv, then the environment
  std::vector<std::string> candidates_;
  std::vector<const char*> candidate_pointers_;
  std::vector<char*> arguments_;
  mutable std::vector<char*> script_arguments_;
  std::vector<char*> environment_;
};

}  // namespace everywatt
