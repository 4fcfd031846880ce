#include "job/signal_gate.h"

#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace everywatt {

Result<SignalGate> SignalGate::open() {
  sigset_t all;
  ::sigfillset(&all);
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, &all, &mask);
  struct sigaction child_action{};
  ::sigaction(SIGCHLD, nullptr, &child_action);
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &standard, nullptr);
  Fd fd{::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd) {
    const int error = errno;
    ::sigaction(SIGCHLD, &child_action, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    return fail_errno(error, "open a descriptor for signals");
  }
  return SignalGate{std::move(fd), mask, child_action};
}

SignalGate::SignalGate(SignalGate&&) noexcept = default;

SignalGate::~SignalGate() {
  if (!fd_) return;
  while (next()) {
    // Meant for a job that is no more.
  }
  ::sigaction(SIGCHLD, &inherited_child_action_, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &inherited_mask_, nullptr);
}

std::optional<signalfd_siginfo> SignalGate::next() {
  signalfd_siginfo info;
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return info;
}

// Queued while it is blocked: if the shell lets us go on before we take it, the
// kernel takes it back, and we do not stop after the one signal that would wake us.
struct sigaction SignalGate::queue_stop(int signal) {
  struct sigaction standard{};
  standard.sa_handler = SIG_DFL;
  struct sigaction before{};
  if (signal != SIGSTOP) {
    ::sigaction(signal, &standard, &before);
    ::kill(::getpid(), signal);
  }
  return before;
}

void SignalGate::take_stop(int signal) {
  if (signal == SIGSTOP) {
    ::kill(::getpid(), SIGSTOP);
    return;
  }
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);  // stops here
  ::pthread_sigmask(SIG_BLOCK, &one, nullptr);
}

void SignalGate::drop(int signal) {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  const timespec at_once{};
  ::sigtimedwait(&one, nullptr, &at_once);
}

bool was_sent(const signalfd_siginfo& signal) {
  if (signal.ssi_pid == static_cast<std::uint32_t>(::getpid())) return false;
  return signal.ssi_code == SI_USER || signal.ssi_code == SI_QUEUE || signal.ssi_code == SI_TKILL;
}

}  // namespace everywatt
