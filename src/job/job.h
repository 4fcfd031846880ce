// Starting a command and being its parent, and nothing more: no pty, no pipe
// between job and terminal, no PDEATHSIG. Streams, terminal, environment (but
// for the variables that are asked for), signal mask and ignored dispositions
// pass through unchanged. If the supervisor dies, the job goes on.
#pragma once
#include <sys/types.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/roots.h"
#include "model/device.h"
#include "model/run.h"

namespace everywatt {

struct JobOptions {
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment = {};  // set or replaced for the job
  std::string cgroup_name = {};  // name of the run's own cgroup v2 below ours, where one can be made; empty: none
};

struct JobEnd {
  std::optional<int> exit_status = {};  // as a shell tells it: 128 + n for signal n; none: not ours to know
  std::optional<int> signal = {};       // that ended it
  std::optional<int> left_by = {};      // a signal that asked us to stop watching: the process goes on
};

// What was found still alive when the command ended.
struct Survivor {
  pid_t pid = 0;
  std::string name;
};

class Job {
 public:
  virtual ~Job() = default;
  virtual pid_t pid() const = 0;
  // Readable once something happened that wait_event() should look at: the
  // command ended, or a signal for the job came in. For poll().
  virtual int event_fd() const = 0;
  // Takes what is pending: forwards signals that were sent to the supervisor,
  // stops and continues with the job, reaps orphans. The end once the command has ended.
  virtual std::optional<JobEnd> poll_end() = 0;
  // CPU time of all the run's processes, living and exited; cheap enough for
  // every tick where `usage().method` is cgroup.
  virtual Nanoseconds cpu_time() = 0;
  // Everything the run's processes used up to now.
  virtual Usage usage() = 0;
  virtual std::vector<Survivor> survivors() = 0;
  // SIGTERM, once, to every process of the run that lives.
  virtual void ask_to_end() = 0;
  // Whether the process is the run's; none: no process of that number can be seen from here.
  virtual std::optional<bool> owns(pid_t pid) const = 0;
};

// Errc::absent: no such command (a shell says 127); denied: it cannot be
// executed (126). The command runs when this returns.
Result<std::unique_ptr<Job>> start_job(const JobOptions&);

// A process that runs already and is watched until it ends or until SIGINT,
// SIGTERM or SIGHUP asks us to stop, with the children it has and gets; its exit
// status is not ours to know.
Result<std::unique_ptr<Job>> attach_to(pid_t pid);

// Which CPUs the process may use where that is narrower than the machine
// (affinity, cpuset), its cgroup's quota, and which of the GPUs that we see its
// environment names or alone it may open.
Reservation reservation_of(pid_t pid, std::span<const Device> gpus, const Roots& roots);

// Field 22 of /proc/PID/stat, in clock ticks since boot; none if there is no such process.
std::optional<std::uint64_t> start_ticks_of(pid_t pid);

}  // namespace everywatt
