// Starting a process as vfork does (a large supervisor costs nothing) and, with
// clone3, inside a cgroup from its first instruction.
#pragma once
#include <signal.h>
#include <sys/types.h>

#include "base/result.h"
#include "job/command.h"

namespace everywatt {

struct SpawnSettings {
  sigset_t mask = {};                // of the new process
  bool ignore_child_signal = false;  // SIGCHLD is ignored there
  int cgroup = -1;                   // open directory of its cgroup v2; -1: ours
};

// The process runs its program when this returns. An error of the program
// (none found, not to be executed) is told from one of the cgroup, so that the
// caller can try again without.
struct SpawnFailure {
  int error = 0;        // errno
  bool at_exec = true;  // false: no process could be made in this way
};

std::expected<pid_t, SpawnFailure> spawn(const Program& program, const SpawnSettings& settings);

}  // namespace everywatt
