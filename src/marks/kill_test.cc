// A job may be killed at any instruction: what it had marked is read.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <atomic>
#include <random>
#include <thread>

#include "marks/marks_under_test.h"
#include "marks/ring_layout.h"

namespace everywatt::marks {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Signal;

using Killed = testing::Marks;

TEST_F(Killed, AFullRingIsReadToTheLastMark) {
  listen();
  Signal full;
  const pid_t pid = start([&] {
    for (std::uint32_t i = 0; i < kSlotCount + 5; ++i) everywatt_step(i);
    full.give();
    ::pause();
  });
  full.await();
  ::kill(pid, SIGKILL);
  EXPECT_EQ(end_of(pid), -SIGKILL);
  look();
  const auto steps = all<StepMark>();
  ASSERT_EQ(steps.size(), kSlotCount);
  for (std::uint32_t i = 0; i < kSlotCount; ++i) ASSERT_EQ(steps[i].number, i);
  EXPECT_EQ(only_end(), (ProcessEnd{.dropped = 5}));
}

// What a job tells its test by memory that both have: how many marks of each of its threads have returned.
class Progress {
 public:
  Progress()
      : done_{static_cast<Done*>(
            ::mmap(nullptr, sizeof(Done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))} {}
  ~Progress() { ::munmap(done_, sizeof(Done)); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  std::atomic<std::uint64_t>& of(std::size_t lane) const { return done_->lanes.at(lane); }

 private:
  struct Done {
    std::array<std::atomic<std::uint64_t>, 2> lanes;
  };
  Done* done_;
};

TEST_F(Killed, AtAnyMomentEachMarkThatReturnedIsRead) {
  const Progress progress;
  std::mt19937 chance{1};
  listen();
  for (int round = 0; round < 30; ++round) {
    progress.of(0) = progress.of(1) = 0;
    heard_.clear();
    Signal going;
    const pid_t pid = start([&] {
      const auto work = [&](std::size_t lane) {
        for (std::uint64_t i = 1; i < kSlotCount / 16; ++i) {
          if (i == 10) going.give();
          // Two slots each.
          everywatt_metric_text(lane ? "one" : "zero", static_cast<double>(i), static_cast<std::int64_t>(lane));
          progress.of(lane).store(i, std::memory_order_relaxed);
        }
      };
      std::thread other{work, 1};
      work(0);
      other.join();
      ::pause();
    });
    going.await();
    ::usleep(static_cast<unsigned>(chance() % 2000));
    ::kill(pid, SIGKILL);
    EXPECT_EQ(end_of(pid), -SIGKILL);
    look();
    std::uint64_t read[2] = {};
    for (const MetricMark& metric : all<MetricMark>()) {
      ASSERT_LE(*metric.step, 1u);
      ASSERT_EQ(metric.value, static_cast<double>(++read[*metric.step]));
    }
    for (const std::size_t lane : {0u, 1u}) {
      EXPECT_GE(read[lane], progress.of(lane));
      EXPECT_LE(read[lane], progress.of(lane) + 1);
    }
    EXPECT_EQ(only_end().dropped, 0u);
    EXPECT_LE(only_end().torn, 4u);
  }
  EXPECT_THAT(lines_, IsEmpty());
}

bool step_through(pid_t pid, int instructions) {
  int status = 0;
  for (int i = 0; i < instructions; ++i) {
    if (::ptrace(PTRACE_SINGLESTEP, pid, 0, 0) != 0) return false;
    if (::waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) return false;
  }
  return true;
}

TEST_F(Killed, AtEachInstructionOfALongMarkItIsThereWholeOrNotAtAll) {
  const std::string value(60, 'v');
  const Progress progress;
  listen();
  int without = 0, with = 0;
  // Each round stops some instructions later, until one gets past the mark.
  for (int instructions = 0; progress.of(0) == 0; instructions += 41) {
    heard_.clear();
    const pid_t pid = start([&] {
      everywatt_step(1);
      everywatt_tag("key", "");
      if (::ptrace(PTRACE_TRACEME, 0, 0, 0) != 0) ::_exit(3);
      ::raise(SIGSTOP);
      everywatt_tag("key", value.c_str());
      progress.of(0) = 1;
      ::pause();
    });
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status)) GTEST_SKIP() << "this system lets nobody trace";
    ASSERT_TRUE(step_through(pid, instructions));
    ::kill(pid, SIGKILL);
    end_of(pid);
    look();
    EXPECT_THAT(all<StepMark>(), ElementsAre(StepMark{.number = 1}));
    const auto tags = all<TagMark>();
    ASSERT_THAT(tags.size(), AnyOf(1, 2));
    ++(tags.size() == 2 ? with : without);
    EXPECT_EQ(tags.back().value, tags.size() == 2 ? value : "");
    EXPECT_LE(only_end().torn, 4u);
  }
  EXPECT_GT(without, 1);
  EXPECT_GE(with, 1);
  EXPECT_THAT(lines_, IsEmpty());
}

// From here on each system call but the last one ends the process with SIGSYS.
bool forbid_system_calls() {
  sock_filter rules[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  };
  const sock_fprog program{.len = std::size(rules), .filter = rules};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

// _exit() is more than the call where AddressSanitizer watches.
void leave() { ::syscall(SYS_exit_group, 0); }

// What a job does between two looks of the supervisor.
void mark_everything() {
  for (int i = 0; i < 1000; ++i) {
    const everywatt_span phase = everywatt_phase_begin_text("phase");
    everywatt_wait_end(everywatt_wait_begin_text("wait"));
    everywatt_step(i);
    everywatt_metric_text("loss", 1.0 / i, i);
    everywatt_tag("key", "a value that takes more than one slot of the ring");
    everywatt_count(EVERYWATT_SAMPLES, 32);
    everywatt_flops(EVERYWATT_FP16, 1e12);
    everywatt_phase_end(phase);
  }
}

TEST_F(Killed, ByTheFirstSystemCallAMarkIsNot) {
  const auto read_clock = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    if (!forbid_system_calls()) ::_exit(3);
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    leave();
  };
  if (const int status = run(read_clock); status != 0) GTEST_SKIP() << "the clock is a system call here: " << status;
  listen();
  EXPECT_EQ(run([] {
              mark_everything();
              if (!forbid_system_calls()) ::_exit(3);
              mark_everything();
              leave();
            }),
            0);
  EXPECT_EQ(run([] {
              if (!forbid_system_calls()) ::_exit(3);
              ::getppid();
            }),
            -SIGSYS)
      << "the filter works";
  look();
  EXPECT_EQ(all<StepMark>().size(), 2000u);
}

}  // namespace
}  // namespace everywatt::marks
