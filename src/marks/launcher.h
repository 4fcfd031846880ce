// Which processes of this node are ranks of one job: they share one meter, around the launcher that started them, found
// among their ancestors. Job ids alone would not do: one job may run several launchers. As python/everywatt/_ranks.py.
#pragma once
#include <sys/types.h>

#include <cstdint>

namespace everywatt::marks {

// The process that started this one and its fellow ranks; 0 where this is the only rank here.
pid_t launcher_of_ranks();

// Field 22 of /proc/PID/stat; 0: no such process.
std::uint64_t start_ticks_of(pid_t pid);

}  // namespace everywatt::marks
