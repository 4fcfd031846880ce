#include "marks/launcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace everywatt::marks {
namespace {

// What each rank has and its launcher has not, and how many ranks of the job are on this node. torchrun:
// torch/distributed/run.py; Slurm: srun(1), "output environment variables", where a batch script has SLURM_LOCALID too
// without being a task of a step; Open MPI: mpirun(1); MPICH and Intel MPI: Hydra.
struct Launcher {
  const char* rank;
  const char* fellows;
  const char* needs;
};
constexpr Launcher kLaunchers[] = {
    {"LOCAL_RANK", "LOCAL_WORLD_SIZE", "LOCAL_RANK"},
    {"SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE", "SLURM_STEP_ID"},
    {"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"MPI_LOCALRANKID", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"}};

// 8, or Slurm's 4(x2),3: the most on a node.
long most_of(const char* list) {
  long most = 0;
  while (list && *list) {
    const long number = std::strtol(list, nullptr, 10);
    if (number > most) most = number;
    list = std::strchr(list, ',');
    if (list) ++list;
  }
  return most;
}

bool is_rank_of(const Launcher& launcher) {
  return std::getenv(launcher.rank) && std::getenv(launcher.needs) && most_of(std::getenv(launcher.fellows)) > 1;
}

int open_of_process(pid_t pid, const char* file) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(pid), file);
  return ::open(path, O_RDONLY | O_CLOEXEC);
}

// Whether a variable of that name begins anywhere in an environment (NAME=value, each ended by NUL), read piece by
// piece. Of another user's process (slurmstepd is root's) nothing can be seen: it is no rank of ours.
bool has_variable(pid_t pid, const char* name) {
  const int fd = open_of_process(pid, "environ");
  if (fd < 0) return false;
  const std::size_t length = std::strlen(name);
  std::size_t matched = 0;  // of "NAME="
  bool is_open = true;      // still possible in this entry
  bool found = false;
  char piece[4096];
  for (ssize_t size; !found && (size = ::read(fd, piece, sizeof piece)) > 0;) {
    for (ssize_t i = 0; i < size && !found; ++i) {
      const char c = piece[i];
      if (c == '\0') {
        matched = 0;
        is_open = true;
      } else if (is_open && matched == length) {
        found = c == '=';
        is_open = false;
      } else if (is_open) {
        is_open = c == name[matched++];
      }
    }
  }
  ::close(fd);
  return found;
}

// A field of /proc/PID/stat from the fourth on: the name before them may hold anything. 0: no such process.
std::uint64_t stat_field(pid_t pid, int number) {
  const int fd = open_of_process(pid, "stat");
  if (fd < 0) return 0;
  char line[1024];
  const ssize_t size = ::read(fd, line, sizeof line - 1);
  ::close(fd);
  if (size <= 0) return 0;
  line[size] = '\0';
  const char* at = std::strrchr(line, ')');
  for (int field = 2; at && field < number; ++field) at = std::strchr(at + 1, ' ');
  return at ? std::strtoull(at, nullptr, 10) : 0;
}

bool is_rank(pid_t pid, const bool (&marks)[std::size(kLaunchers)]) {
  for (std::size_t i = 0; i < std::size(kLaunchers); ++i)
    if (marks[i] && has_variable(pid, kLaunchers[i].rank)) return true;
  return false;
}

}  // namespace

std::uint64_t start_ticks_of(pid_t pid) { return stat_field(pid, 22); }

pid_t launcher_of_ranks() {
  bool marks[std::size(kLaunchers)] = {};
  bool any = false;
  for (std::size_t i = 0; i < std::size(kLaunchers); ++i) any |= marks[i] = is_rank_of(kLaunchers[i]);
  if (!any) return 0;
  pid_t process = ::getppid();
  while (process > 1 && is_rank(process, marks)) process = static_cast<pid_t>(stat_field(process, 4));
  return process > 1 ? process : 0;
}

}  // namespace everywatt::marks
