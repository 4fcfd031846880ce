// The supervisor's own signals while it stands in front of a job: all of them
// are blocked and read from a descriptor, so that it is seen who sent each and
// none kills the supervisor by its default action. What it inherited (mask,
// ignored signals) is kept for the job and put back at the end.
//
// The mask is the calling thread's: begin before other threads are started.
#pragma once
#include <signal.h>
#include <sys/signalfd.h>

#include <optional>

#include "base/file.h"
#include "base/result.h"

namespace everywatt {

class SignalGate {
 public:
  static Result<SignalGate> open();
  SignalGate(SignalGate&&) noexcept;
  SignalGate& operator=(SignalGate&&) = delete;
  ~SignalGate();

  int fd() const { return fd_.get(); }
  std::optional<signalfd_siginfo> next();
  const sigset_t& inherited_mask() const { return inherited_mask_; }
  // SIGCHLD ignored would have the kernel throw exit statuses away; we take it, the job gets it back.
  bool child_signal_was_ignored() const { return inherited_child_action_.sa_handler == SIG_IGN; }

  // Stops this process by the signal's default action, as the terminal would
  // have, and returns when it goes on. `still_stopped` is asked at the last moment.
  template <class Question>
  void stop_by(int signal, Question still_stopped) {
    const struct sigaction before = queue_stop(signal);
    if (still_stopped()) {
      take_stop(signal);
    } else {
      drop(signal);
    }
    ::sigaction(signal, &before, nullptr);
  }

 private:
  SignalGate(Fd fd, const sigset_t& mask, const struct sigaction& child_action)
      : fd_{std::move(fd)}, inherited_mask_{mask}, inherited_child_action_{child_action} {}
  static struct sigaction queue_stop(int signal);
  static void take_stop(int signal);
  static void drop(int signal);

  Fd fd_;
  sigset_t inherited_mask_;
  struct sigaction inherited_child_action_;
};

// Sent to this process on purpose (kill, sigqueue, tgkill) and not by the
// kernel or by itself.
bool was_sent(const signalfd_siginfo& signal);

}  // namespace everywatt
