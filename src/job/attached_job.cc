#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "job/job.h"
#include "job/network.h"
#include "job/process.h"
#include "job/process_ledger.h"

namespace everywatt {
namespace {

// A process that someone else started. What its descendants used is seen as
// long as they or one of their ancestors live; an orphan keeps being looked at.
class AttachedJob final : public Job {
 public:
  AttachedJob(pid_t pid, Fd end, Fd signals, Fd events)
      : pid_{pid}, end_{std::move(end)}, signals_{std::move(signals)}, events_{std::move(events)}, roots_{pid} {
    const auto processes = living();
    ledger_.look_closely(processes);
    network_.look(processes, {});
    ledger_.start_from_here();
  }

  pid_t pid() const override { return pid_; }
  int event_fd() const override { return events_.get(); }

  std::optional<JobEnd> poll_end() override {
    pollfd event{.fd = end_.get(), .events = POLLIN, .revents = 0};
    if (ended_) return ended_;
    signalfd_siginfo signal{};
    if (::poll(&event, 1, 0) > 0) {
      ended_ = JobEnd{};
    } else if (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      ended_ = JobEnd{.left_by = static_cast<int>(signal.ssi_signo)};
    } else {
      return std::nullopt;
    }
    ledger_.look_closely(living());  // the dead are to be seen until their parent waits for them
    return ended_;
  }

  Nanoseconds cpu_time() override {
    ledger_.look(living());
    return ledger_.cpu_time();
  }

  Usage usage() override {
    const auto processes = living();
    ledger_.look_closely(processes);
    if (!ended_) {
      network_.look(processes, {});
    } else if (!std::exchange(network_closed_, true)) {
      network_.look_last(processes, {});
    }
    Usage usage{.cpu_time = ledger_.cpu_time(), .peak_memory_bytes = ledger_.peak_memory()};
    usage.method = "process-tree";
    usage.network = network_.bytes();
    if (const auto disk = ledger_.disk_bytes()) {
      usage.disk_read_bytes = disk->read;
      usage.disk_written_bytes = disk->written;
    }
    return usage;
  }

  std::vector<Survivor> survivors() override {
    std::vector<Survivor> found;
    for (ProcessStat& process : living()) {
      if (process.pid != pid_ && !process.ended) found.push_back({.pid = process.pid, .name = std::move(process.name)});
    }
    return found;
  }

  void ask_to_end() override {
    for (const ProcessStat& process : living()) {
      if (!process.ended) ::kill(process.pid, SIGTERM);
    }
  }

  std::optional<bool> owns(pid_t pid) const override {
    if (std::ranges::count(roots_, pid) > 0 || descends_from(pid, pid_)) return true;
    return start_ticks_of(pid) ? std::optional{false} : std::nullopt;
  }

 private:
  std::vector<ProcessStat> living() {
    auto found = look_at_trees(roots_);
    // Numbers are used again: a process that began after we last saw its number is another one.
    std::erase_if(found, [&](const ProcessStat& process) {
      const auto known = std::ranges::find(known_, process.pid, &ProcessStat::pid);
      return known != known_.end() && known->start_ticks != process.start_ticks &&
             std::ranges::count(roots_, process.pid) > 0;
    });
    known_ = found;
    roots_.clear();
    for (const ProcessStat& process : found) roots_.push_back(process.pid);
    return found;
  }

  pid_t pid_;
  Fd end_;
  Fd signals_;
  Fd events_;                       // either of the two
  std::vector<pid_t> roots_;        // the process, then all that were seen to descend from it
  std::vector<ProcessStat> known_;  // at the last look
  ProcessLedger ledger_{ProcessLedger::Orphans::reaped_elsewhere};
  NetworkMeter network_{NetworkMeter::Past::of_others};
  bool network_closed_ = false;  // looked at for the last time
  std::optional<JobEnd> ended_;
};

// What would end us asks instead to stop watching, so that the bill is not lost.
Result<Fd> take_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  Fd signals{::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!signals || ::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno(errno, "take signals");
  return signals;
}

}  // namespace

Result<std::unique_ptr<Job>> attach_to(pid_t pid) {
  Fd end{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  if (!end) {
    if (errno == ESRCH) return fail(Errc::absent, "no process " + std::to_string(pid) + " is running");
    return fail_errno(errno, "watch process " + std::to_string(pid));
  }
  if (!read_process(pid)) return fail(Errc::denied, "/proc says nothing of process " + std::to_string(pid));
  TRY(Fd signals, take_signals());
  Fd events{::epoll_create1(EPOLL_CLOEXEC)};
  for (const int fd : {end.get(), signals.get()}) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(events.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno(errno, "wait for events");
  }
  return std::unique_ptr<Job>{
      std::make_unique<AttachedJob>(pid, std::move(end), std::move(signals), std::move(events))};
}

}  // namespace everywatt
