#include "marks/own_ring.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "marks/delivery.h"
#include "marks/meter_beside.h"

namespace everywatt::marks {

constinit OwnRing own;
constinit NameTable own_names;  // apart: all zero, it takes no room in the file

namespace {

constexpr std::int64_t kFirstDistance = 10'000'000;  // 10 ms until the second attempt, then twice as long each time
constexpr std::int64_t kLongestDistance = 5'000'000'000;

// What is changed under the lock alone.
struct Affairs {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  everywatt_state state = EVERYWATT_IS_CLOSED;
  OwnFile file;  // until the ring is handed over
  char path[kMostPathBytes] = {};
  std::int64_t distance = kFirstDistance;
  ProcessIdentity identity;
  ProcessIdentity parent;
  std::uint32_t generation = 0;
};
constinit Affairs affairs;

// Initial-exec: four bytes of the room that the loader keeps for libraries loaded later, and no call to find them.
[[gnu::tls_model("initial-exec")]] constinit thread_local std::uint32_t thread_number = 0;

// While one stands, this thread holds the lock, no signal handler of the job runs on it, it cannot be cancelled, and
// what we did leaves no trace in errno.
class Section {
 public:
  Section() : error_{errno} {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &signals_);
    ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_);
    ::pthread_mutex_lock(&affairs.lock);
  }
  ~Section() {
    ::pthread_mutex_unlock(&affairs.lock);
    ::pthread_setcancelstate(cancel_, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
    errno = error_;
  }
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

 private:
  int error_;
  int cancel_ = 0;
  sigset_t signals_;
};

bool is_disabled() {
  const char* said = std::getenv("EVERYWATT_DISABLED");
  return said && std::strcmp(said, "1") == 0;
}

// The path in affairs.path, from the caller, from what a parent was told, or from the environment.
everywatt_state choose_path(const char* given) {
  const char* path = given ? given : affairs.path[0] ? affairs.path : std::getenv("EVERYWATT_SOCKET");
  if (!path || !*path) return EVERYWATT_NO_SUPERVISOR;
  const std::size_t size = std::strlen(path);
  if (size >= kMostPathBytes) return EVERYWATT_PATH_TOO_LONG;
  std::memmove(affairs.path, path, size + 1);
  return EVERYWATT_IS_OPEN;
}

void hand_over(std::int64_t now) {
  const Delivery delivery = deliver(affairs.file, affairs.path, affairs.identity, affairs.parent);
  if (delivery == Delivery::later) {
    own.next_try.store(now + affairs.distance, std::memory_order_relaxed);
    affairs.distance = affairs.distance > kLongestDistance / 2 ? kLongestDistance : 2 * affairs.distance;
    return;
  }
  own.next_try.store(INT64_MAX, std::memory_order_relaxed);
  affairs.file.close();
}

bool is_handed_over() { return affairs.file.fd < 0; }

everywatt_state open_now(const char* path) {
  if (is_disabled()) return EVERYWATT_IS_DISABLED;
  if (const everywatt_state chosen = choose_path(path); chosen != EVERYWATT_IS_OPEN) return chosen;
  Ring* ring = make_ring(affairs.generation, affairs.file);
  if (!ring) return EVERYWATT_NO_MEMORY;
  ++affairs.generation;
  own_names.copy_into(*ring);
  affairs.identity = own_identity();
  affairs.distance = kFirstDistance;
  hand_over(monotonic_now());
  own.ring.store(ring, std::memory_order_release);
  return EVERYWATT_IS_OPEN;
}

void before_fork() { ::pthread_mutex_lock(&affairs.lock); }
void after_fork_in_parent() { ::pthread_mutex_unlock(&affairs.lock); }

// The parent's ring stays mapped: a signal handler may have forked in the midst of a mark, which then ends in it.
void after_fork_in_child() {
  thread_number = 0;
  if (own.ring.load(std::memory_order_relaxed)) {
    own.ring.store(nullptr, std::memory_order_relaxed);
    own.settled.store(false, std::memory_order_relaxed);
    own.next_try.store(INT64_MAX, std::memory_order_relaxed);
    affairs.file.close();
    affairs.parent = affairs.identity;
    affairs.state = EVERYWATT_IS_CLOSED;
  }
  ::pthread_mutex_unlock(&affairs.lock);
}

[[gnu::constructor]] void watch_forks() { ::pthread_atfork(&before_fork, &after_fork_in_parent, &after_fork_in_child); }

// A supervisor that came late gets the ring of a process that ends early.
[[gnu::destructor]] void hand_over_at_exit() {
  {
    const Section section;
    if (!is_handed_over()) hand_over(monotonic_now());
  }
  leave_meter();
}

}  // namespace

Ring* open_at_first_mark() {
  const Section section;
  if (!own.settled.load(std::memory_order_relaxed)) {
    affairs.state = open_now(nullptr);
    own.settled.store(true, std::memory_order_release);
  }
  return own.ring.load(std::memory_order_relaxed);
}

void try_again(std::int64_t now) {
  const Section section;
  if (!is_handed_over() && now >= own.next_try.load(std::memory_order_relaxed)) hand_over(now);
}

everywatt_state open_own_ring(const char* socket_path) {
  const Section section;
  if (!own.ring.load(std::memory_order_relaxed)) {
    affairs.state = open_now(socket_path);
    own.settled.store(true, std::memory_order_release);
  } else if (!is_handed_over()) {
    // Where the variable led to nobody, and somebody is known now.
    if (socket_path) affairs.state = choose_path(socket_path);
    hand_over(monotonic_now());
  }
  return affairs.state;
}

// Not in a Section: other threads' marks do not wait for a program to start.
everywatt_state start_and_open(const char* name) {
  static constinit pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  if (is_disabled()) return EVERYWATT_IS_DISABLED;
  const int error = errno;
  ::pthread_mutex_lock(&one_at_a_time);
  MeterBeside meter;
  const bool is_inside = is_heard_at(std::getenv("EVERYWATT_SOCKET"));
  const bool is_met = !is_inside && meet_at_meter(name, meter);
  if (is_met) {
    ::setenv("EVERYWATT_SOCKET", meter.socket, 1);
    ::setenv("EVERYWATT_RUN_ID", meter.run, 1);
  }
  const everywatt_state state =
      is_inside || is_met ? open_own_ring(is_met ? meter.socket : nullptr) : EVERYWATT_NO_METER;
  ::pthread_mutex_unlock(&one_at_a_time);
  errno = error;
  return state;
}

void close_own_ring() {
  const Section section;
  own.settled.store(true, std::memory_order_release);
  affairs.state = EVERYWATT_IS_CLOSED;
  Ring* ring = own.ring.exchange(nullptr, std::memory_order_acq_rel);
  if (!ring) return;
  if (!is_handed_over()) hand_over(monotonic_now());
  own.next_try.store(INT64_MAX, std::memory_order_relaxed);
  affairs.file.close();
  __atomic_store_n(&ring->header.closed, 1, __ATOMIC_RELEASE);
}

everywatt_state state_of_own_ring() {
  const Section section;
  return affairs.state;
}

std::uint32_t add_name(const char* text, std::size_t size) {
  const Section section;
  // Another thread may have been faster.
  const std::uint32_t known = own_names.find(text, size);
  return known ? known : own_names.add(text, size, own.ring.load(std::memory_order_relaxed));
}

std::int64_t monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::uint32_t own_thread() {
  if (thread_number == 0) [[unlikely]] {
    thread_number = static_cast<std::uint32_t>(::syscall(SYS_gettid));
  }
  return thread_number;
}

}  // namespace everywatt::marks
