#include "job/job.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>

#include "job/driven.h"

namespace everywatt {
namespace {

using namespace everywatt::testing;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Not;

// Both ways to count: a cgroup of the run's own, and the tree of its processes.
class StartedJob : public ::testing::TestWithParam<const char*> {
 protected:
  std::string cgroup_name() const { return GetParam(); }

  JobEnd run_to_end(std::vector<std::string> command,
                    std::vector<std::pair<std::string, std::string>> environment = {}) {
    auto job =
        start_job({.command = std::move(command), .environment = std::move(environment), .cgroup_name = cgroup_name()});
    EXPECT_TRUE(job) << (job ? "" : job.error().what);
    return job ? wait_for_end(**job) : JobEnd{.exit_status = -1};
  }

  static JobEnd wait_for_end(Job& job) {
    for (;;) {
      pollfd event{.fd = job.event_fd(), .events = POLLIN, .revents = 0};
      if (::poll(&event, 1, 20'000) == 0) return JobEnd{.exit_status = -2};
      if (const auto end = job.poll_end()) return *end;
    }
  }

  std::vector<std::string> shell(const std::string& script) const { return {"/bin/sh", "-c", script}; }
  Notes notes_;
};

INSTANTIATE_TEST_SUITE_P(CountedBy, StartedJob, ::testing::Values("everywatt-job-test", ""),
                         [](const auto& each) { return *each.param ? std::string{"Cgroup"} : std::string{"Tree"}; });

TEST_P(StartedJob, EndsWithTheStatusOfItsCommand) {
  EXPECT_EQ(run_to_end({"true"}).exit_status, 0);
  EXPECT_EQ(run_to_end({"false"}).exit_status, 1);
  EXPECT_EQ(run_to_end(shell("exit 7")).exit_status, 7);
  EXPECT_EQ(run_to_end(shell("exit 255")).exit_status, 255);
}

TEST_P(StartedJob, TellsASignalAsAShellDoes) {
  const JobEnd killed = run_to_end(shell("kill -KILL $$"));
  EXPECT_EQ(killed.exit_status, 128 + SIGKILL);
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_EQ(run_to_end(shell("kill -USR1 $$")).exit_status, 128 + SIGUSR1);
  EXPECT_FALSE(run_to_end(shell("exit 137")).signal);
}

TEST_P(StartedJob, TellsWhatIsMissingFromWhatIsDenied) {
  const auto code = [&](const std::string& command) {
    const auto job = start_job({.command = {command}, .cgroup_name = cgroup_name()});
    EXPECT_FALSE(job) << command;
    return job ? Errc::io : job.error().code;
  };
  notes_.script("no_interpreter", "#!/nowhere/at/all\n");
  notes_.script("unreadable", "#!/bin/sh\n");
  ASSERT_EQ(::chmod(notes_.path("unreadable").c_str(), 0644), 0);
  EXPECT_EQ(code("no-such-command-anywhere"), Errc::absent);
  EXPECT_EQ(code("/nowhere/at/all"), Errc::absent);
  EXPECT_EQ(code(""), Errc::absent);
  EXPECT_EQ(code("/etc"), Errc::denied);
  EXPECT_EQ(code("/etc/passwd"), Errc::denied);
  EXPECT_EQ(code(notes_.path("unreadable")), Errc::denied);
  EXPECT_EQ(code(notes_.path("no_interpreter")), Errc::denied);
}

TEST(ACommandThatCannotBeStarted, LeavesNoGroupBehind) {
  (void)start_job({.command = {"no-such-command-anywhere"}, .cgroup_name = "everywatt-not-started"});
  EXPECT_NE(run({"sh", "-c",
                 "ls -d /sys/fs/cgroup/everywatt-not-started* /sys/fs/cgroup/*/everywatt-not-started* 2>/dev/null"}),
            0);
}

TEST_P(StartedJob, IsLookedUpAlongThePathThatItWillHave) {
  notes_.script("tool", "#!/bin/sh\nexit 21\n");
  EXPECT_EQ(run_to_end({"tool"}, {{"PATH", "/nowhere:" + notes_.path("")}}).exit_status, 21);
}

TEST_P(StartedJob, RunsAFileWithoutFirstLineUnderTheShell) {
  const std::string script = notes_.script("bare", "exit $1\n");
  EXPECT_EQ(run_to_end({script, "23"}).exit_status, 23);
}

TEST_P(StartedJob, InheritsTheEnvironmentWithOursReplaced) {
  ::setenv("EVERYWATT_TEST_KEPT", "a b=c", 1);
  ::setenv("EVERYWATT_TEST_REPLACED", "old", 1);
  run_to_end(shell("env | grep ^EVERYWATT_TEST_ | sort > " + notes_.path("env")), {{"EVERYWATT_TEST_REPLACED", "new"}});
  EXPECT_EQ(notes_.text("env"), "EVERYWATT_TEST_KEPT=a b=c\nEVERYWATT_TEST_REPLACED=new");
}

TEST_P(StartedJob, InheritsExactlyTheDescriptorsThatWeHad) {
  const auto listing = [&](const std::string& name) {
    return shell("exec ls /proc/self/fd > " + notes_.path(name));  // among them the folder that ls reads
  };
  const Fd inherited{::open("/dev/null", O_RDONLY)};
  run(listing("plain"));
  run_to_end(listing("supervised"));
  EXPECT_EQ(notes_.text("supervised"), notes_.text("plain"));
  EXPECT_THAT(notes_.text("supervised"), HasSubstr(std::to_string(inherited.get())));
}

TEST_P(StartedJob, StaysInOurProcessGroupAndSession) {
  run_to_end(shell("cut -d' ' -f5,6 /proc/$$/stat > " + notes_.path("ids")));
  EXPECT_EQ(notes_.text("ids"), std::to_string(::getpgrp()) + " " + std::to_string(::getsid(0)));
}

TEST_P(StartedJob, InheritsMaskAndIgnoredSignals) {
  // SIGCHLD too: whoever ignores it has the kernel throw exit statuses away.
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  struct sigaction before_quit{}, before_child{};
  sigset_t blocked, mask;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR2);
  ::sigaction(SIGQUIT, &ignore, &before_quit);
  ::sigaction(SIGCHLD, &ignore, &before_child);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
  const JobEnd end = run_to_end({"/usr/bin/python3", "-c",
                                 "import sys; lines=dict(l.split(':',1) for l in open('/proc/self/status'));"
                                 "open(sys.argv[1],'w').write(lines['SigBlk'].strip()+' '+lines['SigIgn'].strip())",
                                 notes_.path("signals")});
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, &mask, &after);
  struct sigaction child_action{};
  ::sigaction(SIGCHLD, &before_child, &child_action);
  ::sigaction(SIGQUIT, &before_quit, nullptr);

  EXPECT_EQ(end.exit_status, 0);
  const std::string seen = notes_.text("signals");
  const auto blank = seen.find(' ');
  ASSERT_NE(blank, seen.npos);
  const auto bit = [](int signal) { return std::uint64_t{1} << (signal - 1); };
  EXPECT_EQ(std::stoull(seen.substr(0, blank), nullptr, 16), bit(SIGUSR2));
  EXPECT_EQ(std::stoull(seen.substr(blank), nullptr, 16) & (bit(SIGQUIT) | bit(SIGCHLD) | bit(SIGTERM)),
            bit(SIGQUIT) | bit(SIGCHLD));
  EXPECT_TRUE(::sigismember(&after, SIGUSR2) && !::sigismember(&after, SIGTERM)) << "our own mask is put back";
  EXPECT_EQ(child_action.sa_handler, SIG_IGN);
}

TEST_P(StartedJob, EndsWithItsCommandAndNamesWhatLivesOn) {
  auto job = start_job(
      {.command = shell("sleep 60 & echo $! > " + notes_.path("daemon") + "; exit 4"), .cgroup_name = cgroup_name()});
  ASSERT_TRUE(job);
  EXPECT_EQ(wait_for_end(**job).exit_status, 4);
  const pid_t daemon = notes_.pid("daemon");
  EXPECT_TRUE(
      eventually([&] { return read_line("/proc/" + std::to_string(daemon) + "/comm").value_or("") == "sleep"; }));
  EXPECT_THAT((*job)->survivors(),
              ::testing::ElementsAre(::testing::AllOf(Field(&Survivor::pid, daemon), Field(&Survivor::name, "sleep"))));
  ::kill(daemon, SIGKILL);
  EXPECT_TRUE(eventually([&] { return (*job)->poll_end() && (*job)->survivors().empty(); }));
}

TEST(AttachedJob, EndsWithTheProcessAndCountsFromNowOn) {
  const Notes notes;
  const pid_t pid = launch({"/usr/bin/python3", "-c",
                            "import os,sys,time\n"
                            "def burn(s):\n"
                            "  t=time.process_time()\n"
                            "  while time.process_time()-t<s: pass\n"
                            "burn(.3); open(sys.argv[1],'w').write(str(os.getpid()))\n"
                            "while not os.path.exists(sys.argv[2]): time.sleep(.01)\n"
                            "burn(.1)\n"
                            "if os.fork()==0:\n  burn(.2); os._exit(0)\n"
                            "os.wait()\n",
                            notes.path("ready"), notes.path("go")});
  ASSERT_EQ(notes.pid("ready"), pid);
  auto job = attach_to(pid);
  ASSERT_TRUE(job);
  EXPECT_LT((*job)->cpu_time(), 50 * kMillisecond);
  EXPECT_FALSE((*job)->poll_end());
  notes.script("go", "");
  pollfd event{.fd = (*job)->event_fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&event, 1, 20'000), 1);
  ASSERT_TRUE((*job)->poll_end());
  // Ticks of 10 ms, four figures.
  EXPECT_NEAR(static_cast<double>((*job)->cpu_time()), 0.3 * kSecond, 0.08 * kSecond);
  EXPECT_EQ((*job)->usage().method, "process-tree");
  EXPECT_EQ(wait_for(pid), 0);
}

TEST(AttachedJob, IsAbsentWhereThereIsNoProcess) {
  const pid_t gone = launch({"true"});
  wait_for(gone);
  const auto job = attach_to(gone);
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().code, Errc::absent);
}

TEST(ReservationOfAProcess, IsItsAffinityWhereThatIsNarrower) {
  EXPECT_FALSE(reservation_of(::getpid(), {}, {}).cpus && ::sysconf(_SC_NPROCESSORS_ONLN) == 1);
  cpu_set_t allowed;
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned first = 0;
  while (!CPU_ISSET(first, &allowed)) ++first;
  const pid_t pinned = launch({"sleep", "60"}, [&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ::sched_setaffinity(0, sizeof one, &one);
  });
  if (::sysconf(_SC_NPROCESSORS_ONLN) > 1) {
    EXPECT_TRUE(eventually([&] { return reservation_of(pinned, {}, {}).cpus == std::vector<unsigned>{first}; }));
  } else {
    EXPECT_FALSE(reservation_of(pinned, {}, {}).is_explicit());
  }
  ::kill(pinned, SIGKILL);
  wait_for(pinned);
}

TEST(StartOfAProcess, IsKnownWhateverItsName) {
  const Notes notes;
  const std::string odd = notes.script("a) b (c", "#!/bin/sh\nkill -STOP $$\n");
  const pid_t pid = launch({odd});
  EXPECT_TRUE(
      eventually([&] { return read_line("/proc/" + std::to_string(pid) + "/comm").value_or("") == "a) b (c"; }));
  const auto ours = start_ticks_of(::getpid());
  const auto theirs = start_ticks_of(pid);
  ASSERT_TRUE(ours && theirs);
  EXPECT_GE(*theirs, *ours);
  EXPECT_LE(*theirs, *ours + 6000);  // a minute
  ::kill(pid, SIGKILL);
  wait_for(pid);
  EXPECT_FALSE(start_ticks_of(pid));
}

}  // namespace
}  // namespace everywatt
