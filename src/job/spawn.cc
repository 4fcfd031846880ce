#include "job/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

// The child lives in our memory until it execs, on a stack of its own. It calls
// nothing but the kernel: no allocation, and nothing that a sanitizer watches.
#define EVERYWATT_IN_CHILD __attribute__((no_sanitize("address", "undefined", "thread"), noinline))

namespace everywatt {
namespace {

constexpr std::size_t kStackBytes = std::size_t{64} * 1024;
constexpr int kSignals = 64;                 // _NSIG of the kernel
constexpr std::size_t kKernelMaskBytes = 8;  // sigset_t of the kernel

// struct sigaction of the kernel: the handler comes first on every
// architecture, the rest is zero for the two handlers that we set.
struct KernelAction {
  std::uintptr_t handler = 0;
  std::array<std::uint64_t, 4> rest = {};
};

struct Child {
  const char* const* candidates;
  char* const* arguments;
  char** script_arguments;
  char* const* environment;
  const sigset_t* mask;
  bool ignore_child_signal;
  int cgroup_procs;  // written to where clone3 could not place us; -1: nothing to do
  int error = 0;     // errno for the parent
  bool at_exec = false;
};

// Handlers of ours would run in the job's name between here and exec; ignored
// signals stay ignored.
EVERYWATT_IN_CHILD void restore_signals(const Child& child) {
  const auto ignored = reinterpret_cast<std::uintptr_t>(SIG_IGN);
  for (int signal = 1; signal <= kSignals; ++signal) {
    KernelAction action;
    if (::syscall(SYS_rt_sigaction, signal, nullptr, &action, kKernelMaskBytes) != 0) continue;
    const bool ignore = signal == SIGCHLD ? child.ignore_child_signal : action.handler == ignored;
    action = {};
    action.handler = ignore ? ignored : 0;
    ::syscall(SYS_rt_sigaction, signal, &action, nullptr, kKernelMaskBytes);
  }
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, child.mask, nullptr, kKernelMaskBytes);
}

// As execvp: what is not there or not for us is passed over, the rest is an answer.
EVERYWATT_IN_CHILD int execute(const Child& child) {
  bool denied = false;
  int error = ENOENT;
  for (const char* const* file = child.candidates; *file; ++file) {
    ::syscall(SYS_execve, *file, child.arguments, child.environment);
    error = errno;
    if (error == ENOEXEC) {
      child.script_arguments[1] = const_cast<char*>(*file);
      ::syscall(SYS_execve, child.script_arguments[0], child.script_arguments, child.environment);
      return errno;
    }
    if (error == EACCES) denied = true;
    if (error != EACCES && error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV &&
        error != ETIMEDOUT) {
      return error;
    }
  }
  return denied ? EACCES : error;
}

EVERYWATT_IN_CHILD int child_main(void* argument) {
  Child& child = *static_cast<Child*>(argument);
  if (child.cgroup_procs >= 0 && ::syscall(SYS_write, child.cgroup_procs, "0", 1) != 1) {
    child.error = errno;
    return 127;
  }
  child.at_exec = true;
  restore_signals(child);
  child.error = execute(child);
  return 127;
}

class Stack {
 public:
  Stack()
      : memory_{::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)} {}
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  ~Stack() {
    if (*this) ::munmap(memory_, kStackBytes);
  }
  explicit operator bool() const { return memory_ != MAP_FAILED; }
  void* bottom() const { return memory_; }
  void* top() const { return static_cast<char*>(memory_) + kStackBytes; }

 private:
  void* memory_;
};

#if defined(__x86_64__)
// clone3(2), and in the child `function(argument)` on the new stack, then exit.
// glibc keeps its own clone3 to itself, and its syscall() cannot return twice on two stacks.
long clone3_call(clone_args* arguments, int (*function)(void*), void* argument) {
  long result = SYS_clone3;
  asm volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "movq %[argument], %%rdi\n\t"
      "callq *%[function]\n\t"
      "movl %%eax, %%edi\n\t"
      "movl %[exit], %%eax\n\t"
      "syscall\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(arguments),
        "S"(sizeof *arguments), [function] "r"(function), [argument] "r"(argument), [exit] "i"(SYS_exit_group)
      : "rcx", "r11", "memory", "cc");
  return result;
}
#elif defined(__aarch64__)
long clone3_call(clone_args* arguments, int (*function)(void*), void* argument) {
  register long number asm("x8") = SYS_clone3;
  register long result asm("x0") = reinterpret_cast<long>(arguments);
  register long size asm("x1") = sizeof *arguments;
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x0, %[argument]\n\t"
      "blr %[function]\n\t"
      "mov x8, %[exit]\n\t"
      "svc #0\n\t"
      "brk #1\n"
      "1:"
      : "+r"(result)
      : "r"(number), "r"(size), [function] "r"(function), [argument] "r"(argument), [exit] "i"(SYS_exit_group)
      : "memory", "cc");
  return result;
}
#else
long clone3_call(clone_args*, int (*)(void*), void*) { return -ENOSYS; }
#endif

long clone_into(int cgroup, const Stack& stack, Child& child) {
  clone_args arguments{};
  arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.stack = reinterpret_cast<std::uintptr_t>(stack.bottom());
  arguments.stack_size = kStackBytes;
  arguments.cgroup = static_cast<std::uint64_t>(cgroup);
  return clone3_call(&arguments, child_main, &child);
}

// Where clone3 is not to be had (seccomp filters of containers), the process
// moves itself: slower by a grace period of the kernel, and as exact.
long clone_and_move(int cgroup, const Stack& stack, Child& child) {
  if (cgroup >= 0) {
    child.cgroup_procs = ::openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (child.cgroup_procs < 0) return -errno;
  }
  const int pid = ::clone(child_main, stack.top(), CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  const int error = errno;
  if (child.cgroup_procs >= 0) ::close(child.cgroup_procs);
  return pid < 0 ? -error : pid;
}

}  // namespace

std::expected<pid_t, SpawnFailure> spawn(const Program& program, const SpawnSettings& settings) {
  const Stack stack;
  if (!stack) return std::unexpected{SpawnFailure{.error = errno, .at_exec = false}};
  Child child{.candidates = program.candidates(),
              .arguments = program.arguments(),
              .script_arguments = program.script_arguments(),
              .environment = program.environment(),
              .mask = &settings.mask,
              .ignore_child_signal = settings.ignore_child_signal,
              .cgroup_procs = -1};
  long pid = settings.cgroup >= 0 ? clone_into(settings.cgroup, stack, child) : -ENOSYS;
  if (pid == -ENOSYS) pid = clone_and_move(settings.cgroup, stack, child);
  if (pid < 0) return std::unexpected{SpawnFailure{.error = static_cast<int>(-pid), .at_exec = false}};
  if (child.error != 0) {
    ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
    return std::unexpected{SpawnFailure{.error = child.error, .at_exec = child.at_exec}};
  }
  return static_cast<pid_t>(pid);
}

}  // namespace everywatt
