// What threads wait for under a mutex, as a condition variable, for waits that nearly always run out: it leaves the
// mutex as if nobody had waited, where glibc's condition variable takes it so that the next unlock asks the kernel
// whether anyone else waits (a call more at each tick).
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>
#include <mutex>
#include <optional>

#include "base/clock.h"

namespace everywatt {

class Bell {
 public:
  // Wakes all who wait. Called with the mutex held.
  void ring() {
    ++rings_;
    (void)call(FUTEX_WAKE_PRIVATE, INT_MAX, nullptr);
  }

  // Until the next ring or `deadline` (CLOCK_MONOTONIC; none: for ever), or sooner: who waits looks again at what it
  // waits for. `lock` is held before and after.
  void wait(std::unique_lock<std::mutex>& lock, std::optional<Nanoseconds> deadline = {}) {
    const std::uint32_t heard = rings_;
    timespec until{};
    if (deadline) until = {.tv_sec = *deadline / kSecond, .tv_nsec = *deadline % kSecond};
    lock.unlock();
    (void)call(FUTEX_WAIT_BITSET_PRIVATE, heard, deadline ? &until : nullptr);
    lock.lock();
  }

 private:
  long call(int what, std::uint32_t value, const timespec* until) {
    static_assert(sizeof rings_ == sizeof(std::uint32_t));
    return ::syscall(SYS_futex, &rings_, what, value, until, nullptr, FUTEX_BITSET_MATCH_ANY);
  }

  std::atomic<std::uint32_t> rings_ = 0;
};

}  // namespace everywatt
