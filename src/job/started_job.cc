#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "job/command.h"
#include "job/job.h"
#include "job/network.h"
#include "job/process.h"
#include "job/process_ledger.h"
#include "job/run_cgroup.h"
#include "job/signal_gate.h"
#include "job/spawn.h"

namespace everywatt {
namespace {

bool is_stop(int signal) { return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU; }

class StartedJob final : public Job {
 public:
  StartedJob(pid_t pid, SignalGate gate, std::optional<RunCgroup> cgroup)
      : pid_{pid}, gate_{std::move(gate)}, cgroup_{std::move(cgroup)} {
    rusage ours{};
    ::getrusage(RUSAGE_SELF, &ours);
    ledger_.disregard_peaks_up_to(static_cast<std::uint64_t>(ours.ru_maxrss) * 1024);
  }

  pid_t pid() const override { return pid_; }
  int event_fd() const override { return gate_.fd(); }

  std::optional<JobEnd> poll_end() override {
    take_signals();
    reap();
    while (stopped_by_ && asked_to_stop_ && !end_) {
      stop_with_job();
      reap();
      take_signals();
      reap();
    }
    return end_;
  }

  Nanoseconds cpu_time() override {
    if (cgroup_) {
      // A group that cannot be read any more has nobody left to count.
      if (const auto time = cgroup_->cpu_time()) cgroup_time_ = std::max(cgroup_time_, *time);
      return cgroup_time_;
    }
    ledger_.look(living());
    return ledger_.cpu_time();
  }

  Usage usage() override {
    const auto processes = living();
    ledger_.look_closely(processes);
    Usage usage{.cpu_time = cgroup_ ? cpu_time() : ledger_.cpu_time(), .peak_memory_bytes = ledger_.peak_memory()};
    usage.method = cgroup_ ? "cgroup" : "process-tree";
    auto disk = ledger_.disk_bytes();
    look_at_network(processes);
    usage.network = network_.bytes();
    if (cgroup_) {
      if (const auto peak = cgroup_->peak_memory()) usage.peak_memory_bytes = peak;
      if (const auto bytes = cgroup_->disk_bytes()) disk = bytes;
    }
    if (disk) {
      usage.disk_read_bytes = disk->read;
      usage.disk_written_bytes = disk->written;
    }
    return usage;
  }

  std::vector<Survivor> survivors() override {
    std::vector<Survivor> found;
    for (ProcessStat& process : living()) {
      if (process.pid == pid_ && !end_) continue;
      if (!process.ended) found.push_back({.pid = process.pid, .name = std::move(process.name)});
    }
    return found;
  }

  void ask_to_end() override {
    if (end_) return;
    for (const ProcessStat& process : living()) {
      if (!process.ended) ::kill(process.pid, SIGTERM);
    }
  }

  std::optional<bool> owns(pid_t pid) const override {
    if (pid == pid_ || is_of_the_run(pid)) return true;
    return start_ticks_of(pid) ? std::optional{false} : std::nullopt;
  }

 private:
  std::vector<ProcessStat> living() const {
    return cgroup_ ? look_at(cgroup_->processes()) : look_at_trees(children_of(::getpid()));
  }

  void look_at_network(std::span<const ProcessStat> processes) {
    const auto groups = cgroup_ ? cgroup_->ids() : std::vector<std::uint64_t>{};
    if (!end_) {
      network_.look(processes, groups);
    } else if (!std::exchange(network_closed_, true)) {
      network_.look_last(processes, groups);
    }
  }

  // Whoever of the run signals our process group means all of it, and the job has its own.
  bool is_of_the_run(pid_t sender) const {
    if (sender <= 0) return false;
    if (descends_from(sender, ::getpid())) return true;
    return cgroup_ && std::ranges::count(cgroup_->processes(), sender) > 0;
  }

  // The kernel signals the whole foreground group, the job with it. Only when a
  // terminal hangs up is the session's leader alone told.
  bool is_for_the_job(const signalfd_siginfo& signal) const {
    const auto number = static_cast<int>(signal.ssi_signo);
    if (number == SIGCHLD) return false;
    if (signal.ssi_code == SI_KERNEL) return number == SIGHUP && ::getsid(0) == ::getpid();
    return was_sent(signal) && !is_of_the_run(static_cast<pid_t>(signal.ssi_pid));
  }

  void take_signals() {
    while (const auto signal = gate_.next()) {
      const auto number = static_cast<int>(signal->ssi_signo);
      if (is_stop(number)) asked_to_stop_ = true;
      if (number == SIGCONT) {
        asked_to_stop_ = false;
        reap();
        // A shell continues the whole group: the job that was stopped and runs again has had it.
        if (std::exchange(job_continued_, false)) continue;
      }
      if (is_for_the_job(*signal)) forward(number, *signal);
    }
  }

  void forward(int number, const signalfd_siginfo& signal) const {
    if (end_) return;
    if (signal.ssi_code != SI_QUEUE) {
      ::kill(pid_, number);
      return;
    }
    sigval value{};
    value.sival_ptr = reinterpret_cast<void*>(signal.ssi_ptr);  // NOLINT: the kernel's own form of the union
    ::sigqueue(pid_, number, value);
  }

  // The job first: it is there while it has not been waited for.
  void reap() {
    int status = 0;
    rusage used{};
    for (;;) {
      const pid_t child = ::wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, &used);
      if (child <= 0) return;
      const bool ended = WIFEXITED(status) || WIFSIGNALED(status);
      if (ended) ledger_.note_reaped(used);
      if (child == pid_) note_change(status);
    }
  }

  void note_change(int status) {
    if (WIFSTOPPED(status)) {
      stopped_by_ = WSTOPSIG(status);
      job_continued_ = false;
    } else if (WIFCONTINUED(status)) {
      stopped_by_.reset();
      job_continued_ = true;
    } else if (WIFSIGNALED(status)) {
      end_ = JobEnd{.exit_status = 128 + WTERMSIG(status), .signal = WTERMSIG(status)};
    } else {
      end_ = JobEnd{.exit_status = WEXITSTATUS(status)};
    }
  }

  // The shell must see a stopped job. It is stopped by the same signal, unless
  // the job was continued while we were about to.
  void stop_with_job() {
    const int signal = *stopped_by_;
    asked_to_stop_ = false;
    gate_.stop_by(signal, [this] {
      reap();
      return stopped_by_.has_value();
    });
  }

  pid_t pid_;
  SignalGate gate_;
  std::optional<RunCgroup> cgroup_;
  ProcessLedger ledger_{ProcessLedger::Orphans::reaped_by_us};
  NetworkMeter network_{NetworkMeter::Past::of_the_run};
  bool network_closed_ = false;  // the run has ended and was looked at for the last time
  Nanoseconds cgroup_time_ = 0;
  bool asked_to_stop_ = false;     // we, by the terminal or by someone who sees us as the job
  bool job_continued_ = false;     // since the last SIGCONT of ours
  std::optional<int> stopped_by_;  // the job, now
  std::optional<JobEnd> end_;
};

std::unexpected<Error> exec_failure(const Program& program, int error) {
  const bool exists =
      !program.searched_path() && program.candidates()[0] && ::access(program.candidates()[0], F_OK) == 0;
  if (error == ENOENT && exists) return fail(Errc::denied, "the interpreter named in its first line is not there");
  if (error == ENOENT && program.searched_path()) return fail(Errc::absent, "command not found in PATH");
  return fail(error == ENOENT ? Errc::absent : Errc::denied, std::strerror(error));
}

std::optional<RunCgroup> make_cgroup(const std::string& name) {
  if (name.empty()) return std::nullopt;
  auto made = RunCgroup::make(name);
  return made ? std::optional<RunCgroup>{*std::move(made)} : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Job>> start_job(const JobOptions& options) {
  if (options.command.empty()) return fail(Errc::misuse, "no command to start");
  const Program program{options.command, options.environment};
  TRY(SignalGate gate, SignalGate::open());
  SpawnSettings settings{.mask = gate.inherited_mask(), .ignore_child_signal = gate.child_signal_was_ignored()};

  std::optional<RunCgroup> cgroup = make_cgroup(options.cgroup_name);
  std::expected<pid_t, SpawnFailure> pid = std::unexpected{SpawnFailure{.error = 0, .at_exec = false}};
  if (cgroup) {
    settings.cgroup = cgroup->directory();
    pid = spawn(program, settings);
    if (!pid && !pid.error().at_exec) cgroup.reset();
    settings.cgroup = -1;
  }
  if (!cgroup) {
    // Orphans of the run come to us, so that what they used is seen when they end.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid = spawn(program, settings);
  }
  if (!pid && !pid.error().at_exec) return fail_errno(pid.error().error, "make a process");
  if (!pid) return exec_failure(program, pid.error().error);
  return std::unique_ptr<Job>{std::make_unique<StartedJob>(*pid, std::move(gate), std::move(cgroup))};
}

std::optional<std::uint64_t> start_ticks_of(pid_t pid) {
  const auto stat = read_process(pid);
  return stat ? std::optional{stat->start_ticks} : std::nullopt;
}

}  // namespace everywatt
