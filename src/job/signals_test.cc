// Real supervisors, real jobs, real signals.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "job/driven.h"

namespace everywatt {
namespace {

using namespace everywatt::testing;

// Counts what it gets into the file, one letter a signal, until USR2 ends it.
constexpr const char* kCounter = R"(
import os, signal, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
names = {signal.SIGINT: b'I', signal.SIGTERM: b'T', signal.SIGHUP: b'H', signal.SIGUSR1: b'U', signal.SIGQUIT: b'Q',
         signal.SIGWINCH: b'W', signal.SIGCONT: b'C', signal.SIGRTMIN + 3: b'R'}
for number, letter in names.items():
    if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGINT:
        signal.signal(number, lambda n, f, letter=letter: os.write(out, letter))
signal.signal(signal.SIGUSR2, lambda n, f: os._exit(9))
open(sys.argv[2], 'w').write(str(os.getpid()))
while True: signal.pause()
)";

class Signals : public ::testing::Test {
 protected:
  std::vector<std::string> counter() const {
    return {"/usr/bin/python3", "-c", kCounter, notes_.path("got"), notes_.path("job")};
  }
  // As many letters as these have come, and a moment later no more.
  bool got_exactly(const std::string& letters) const {
    if (!eventually([&] { return notes_.text("got").size() >= letters.size(); })) return false;
    ::usleep(60'000);
    return notes_.text("got") == letters;
  }
  void end(pid_t supervisor) const {
    ::kill(notes_.pid("job"), SIGUSR2);
    EXPECT_EQ(wait_for(supervisor), 9);
  }
  Notes notes_;
};

TEST_F(Signals, SentToTheSupervisorReachTheJobOnce) {
  const pid_t supervisor = launch(driven({}, counter()));
  notes_.pid("job");
  std::string expected;
  for (const auto& [signal, letter] : {std::pair{SIGTERM, 'T'},
                                       {SIGINT, 'I'},
                                       {SIGHUP, 'H'},
                                       {SIGUSR1, 'U'},
                                       {SIGQUIT, 'Q'},
                                       {SIGWINCH, 'W'},
                                       {SIGCONT, 'C'},
                                       {SIGRTMIN + 3, 'R'}}) {
    ASSERT_EQ(::kill(supervisor, signal), 0);
    expected += letter;
    EXPECT_TRUE(got_exactly(expected)) << notes_.text("got") << " instead of " << expected;
  }
  end(supervisor);
}

TEST_F(Signals, CarryTheirValue) {
  const std::string script =
      "import os,signal,sys\nsignal.pthread_sigmask(signal.SIG_BLOCK,[signal.SIGRTMIN+1])\n"
      "open(sys.argv[1],'w').write(str(os.getpid()))\n"
      "info=signal.sigwaitinfo([signal.SIGRTMIN+1])\nsys.exit(0 if info.si_code==-1 else 1)\n";
  const pid_t supervisor = launch(driven({}, {"/usr/bin/python3", "-c", script, notes_.path("job")}));
  notes_.pid("job");
  sigval value{};
  value.sival_int = 42;
  ASSERT_EQ(::sigqueue(supervisor, SIGRTMIN + 1, value), 0);
  EXPECT_EQ(wait_for(supervisor), 0);
}

TEST_F(Signals, OfTheJobToItsWholeGroupReachItOnce) {
  const std::string script =
      "import os,signal\nn=[0]\ndef h(*a): n[0]+=1\nsignal.signal(signal.SIGTERM,h)\n"
      "os.kill(0,signal.SIGTERM)\nimport time\ntime.sleep(.15)\nos._exit(40+n[0])\n";
  EXPECT_EQ(run(driven({}, {"/usr/bin/python3", "-c", script}), [] { ::setpgid(0, 0); }), 41);
}

TEST_F(Signals, IgnoredByTheParentStayIgnored) {
  const pid_t supervisor = launch(driven({}, counter()), [] { ::signal(SIGINT, SIG_IGN); });
  notes_.pid("job");
  ::kill(supervisor, SIGINT);
  ::kill(supervisor, SIGTERM);
  EXPECT_TRUE(got_exactly("T")) << notes_.text("got");
  end(supervisor);
}

TEST_F(Signals, OfADeadSupervisorLeaveTheJobAlone) {
  for (const char* way : {"--report", "--tree"}) {
    const Notes notes;
    std::vector<std::string> options{way};
    if (options[0] == "--report") options.push_back(notes.path("report"));
    const pid_t supervisor = launch(driven(options, {"sh", "-c", "echo $$ > \"$0\"; sleep 0.2; echo done > \"$1\"",
                                                     notes.path("job"), notes.path("end")}));
    notes.pid("job");
    ::kill(supervisor, SIGKILL);
    EXPECT_EQ(wait_for(supervisor), 137);
    EXPECT_TRUE(eventually([&] { return notes.text("end") == "done"; }));
  }
}

TEST_F(Signals, OfAStopOfTheJobAloneDoNotStopTheSupervisor) {
  const pid_t supervisor = launch(driven({}, counter()));
  const pid_t job = notes_.pid("job");
  ::kill(job, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return state_of(job) == 'T'; }));
  ::usleep(60'000);
  EXPECT_TRUE(eventually([&] { return state_of(supervisor) == 'S'; }));
  ::kill(job, SIGCONT);
  end(supervisor);
}

TEST_F(Signals, SentToStopAndToGoOnAreSharedWithTheJob) {
  // Its own group below us: the default action of SIGTSTP works only in a group that is not an orphan.
  const pid_t supervisor = launch(driven({}, counter()), [] { ::setpgid(0, 0); });
  const pid_t job = notes_.pid("job");
  for (int round = 0; round < 3; ++round) {
    ::kill(supervisor, SIGTSTP);
    EXPECT_TRUE(eventually([&] { return state_of(job) == 'T' && state_of(supervisor) == 'T'; }));
    int status = 0;
    ASSERT_EQ(::waitpid(supervisor, &status, WUNTRACED), supervisor);
    EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP) << "what the shell must see";
    ::kill(supervisor, SIGCONT);
    EXPECT_TRUE(eventually([&] { return state_of(job) == 'S' && state_of(supervisor) == 'S'; }));
  }
  EXPECT_TRUE(got_exactly("CCC")) << notes_.text("got");
  end(supervisor);
}

TEST_F(Signals, ReachTheJobOnceInsideTwoSupervisors) {
  const pid_t supervisor = launch(driven({}, driven({"--tree"}, driven({}, counter()))));
  notes_.pid("job");
  ::kill(supervisor, SIGTERM);
  EXPECT_TRUE(got_exactly("T")) << notes_.text("got");
  end(supervisor);
}

// A terminal with a shell's part played by us: the supervisor is a foreground
// group of a session whose leader waits.
class Terminal : public Signals {
 protected:
  void SetUp() override { ASSERT_EQ(::openpty(&master_, &slave_, nullptr, nullptr, nullptr), 0); }
  void TearDown() override {
    ::close(master_);
    if (slave_ >= 0) ::close(slave_);
  }

  // The session's leader: starts the supervisor in a foreground group of its
  // own, and goes on with it whenever it stops. Ends with its status.
  pid_t start(const std::vector<std::string>& command) {
    const pid_t leader = ::fork();
    if (leader != 0) {
      ::close(std::exchange(slave_, -1));
      return leader;
    }
    ::setsid();
    ::ioctl(slave_, TIOCSCTTY, 0);
    ::signal(SIGTTOU, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    ::close(master_);
    const pid_t supervisor = launch(command, [this] {
      ::setpgid(0, 0);
      ::tcsetpgrp(slave_, ::getpid());
      ::signal(SIGTTOU, SIG_DFL);
      ::signal(SIGHUP, SIG_DFL);
    });
    ::setpgid(supervisor, supervisor);
    ::tcsetpgrp(slave_, supervisor);
    int status = 0;
    while (::waitpid(supervisor, &status, WUNTRACED) == supervisor && WIFSTOPPED(status)) {
      note_stop(WSTOPSIG(status));
      ::tcsetpgrp(slave_, ::getpgrp());
      ::usleep(30'000);
      ::tcsetpgrp(slave_, supervisor);
      ::kill(-supervisor, SIGCONT);
    }
    ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  }
  void note_stop(int signal) const {
    const Fd file{::open(notes_.path("stops").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)};
    const std::string line = std::to_string(signal) + "\n";
    (void)!::write(file.get(), line.data(), line.size());
  }
  void type(char key) const { ASSERT_EQ(::write(master_, &key, 1), 1); }

  int master_ = -1;
  int slave_ = -1;
};

constexpr char kInterrupt = 3;  // Ctrl-C
constexpr char kQuit = 28;      // Ctrl-backslash
constexpr char kSuspend = 26;   // Ctrl-Z

TEST_F(Terminal, KeysReachTheJobOnce) {
  const pid_t leader = start(driven({}, counter()));
  notes_.pid("job");
  type(kInterrupt);
  EXPECT_TRUE(got_exactly("I")) << notes_.text("got");
  type(kQuit);
  EXPECT_TRUE(got_exactly("IQ")) << notes_.text("got");
  end(leader);
}

TEST_F(Terminal, InterruptEndsAJobThatDoesNotCatchIt) {
  const pid_t leader = start(driven({}, {"sh", "-c", "echo $$ > \"$0\"; exec sleep 60", notes_.path("job")}));
  const pid_t job = notes_.pid("job");
  EXPECT_TRUE(eventually([&] { return read_line("/proc/" + std::to_string(job) + "/comm").value_or("") == "sleep"; }));
  type(kInterrupt);
  EXPECT_EQ(wait_for(leader), 130);
}

TEST_F(Terminal, SuspendStopsBothAndTheShellContinuesBoth) {
  const pid_t leader = start(driven({}, counter()));
  notes_.pid("job");
  type(kSuspend);
  // One SIGCONT, though shell and supervisor both could have sent it.
  EXPECT_TRUE(got_exactly("C")) << notes_.text("got");
  EXPECT_EQ(notes_.text("stops"), std::to_string(SIGTSTP));
  type(kSuspend);
  EXPECT_TRUE(got_exactly("CC")) << notes_.text("got");
  type(kInterrupt);
  EXPECT_TRUE(got_exactly("CCI")) << notes_.text("got");
  end(leader);
}

TEST_F(Terminal, SuspendOfAJobThatStopsItselfByAnotherSignalStopsBoth) {
  const std::string script =
      "import os,signal,sys\nsignal.signal(signal.SIGTSTP,lambda *a: os.kill(os.getpid(),signal.SIGSTOP))\n"
      "signal.signal(signal.SIGCONT,lambda *a: os._exit(12))\n"
      "open(sys.argv[1],'w').write(str(os.getpid()))\nwhile True: signal.pause()\n";
  const pid_t leader = start(driven({}, {"/usr/bin/python3", "-c", script, notes_.path("job")}));
  notes_.pid("job");
  type(kSuspend);
  EXPECT_EQ(wait_for(leader), 12);
  EXPECT_EQ(notes_.text("stops"), std::to_string(SIGSTOP));
}

TEST_F(Terminal, HangUpReachesTheJobOfASessionLeader) {
  const std::vector<std::string> command = driven({}, counter());
  const pid_t supervisor = launch(command, [this] {
    ::setsid();
    ::ioctl(slave_, TIOCSCTTY, 0);
    ::close(master_);
  });
  notes_.pid("job");
  ::close(std::exchange(slave_, -1));
  ::close(std::exchange(master_, ::open("/dev/null", O_RDWR | O_CLOEXEC)));
  EXPECT_TRUE(eventually([&] { return notes_.text("got").find('H') != std::string::npos; }));
  ::usleep(60'000);
  EXPECT_EQ(notes_.text("got").find('H'), notes_.text("got").rfind('H')) << notes_.text("got");
  end(supervisor);
}

// As the first process of a container: signals that would be ignored by default
// count, and orphans are reaped.
TEST(FirstProcess, ForwardsAndReaps) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const Notes notes;
  const std::string script = "(sleep 0.05 & exec true) & trap 'kill $!; exit 33' TERM; sleep 60 & echo ready > " +
                             notes.path("ready") + "; wait; wait; wait";
  for (const bool own_proc : {true, false}) {
    std::filesystem::remove(notes.path("ready"));
    std::vector<std::string> command{"unshare", "--pid", "--fork", "--kill-child"};
    if (own_proc) command.push_back("--mount-proc");
    const std::vector<std::string> driver = driven({"--tree", "--report", notes.path("report")}, {"sh", "-c", script});
    command.insert(command.end(), driver.begin(), driver.end());
    const pid_t outer = launch(command);
    ASSERT_TRUE(eventually([&] { return notes.has("ready"); }));
    ::usleep(150'000);
    // The driver is the only child of unshare.
    const std::string children =
        read_line("/proc/" + std::to_string(outer) + "/task/" + std::to_string(outer) + "/children").value_or("");
    const auto first = parse_i64(words(children).empty() ? "" : words(children)[0]);
    ASSERT_TRUE(first) << children;
    const std::string theirs = "/proc/" + std::to_string(*first) + "/task/" + std::to_string(*first) + "/children";
    const std::string grandchildren = read_line(theirs).value_or("");
    for (const std::string_view child : words(grandchildren)) {
      EXPECT_NE(state_of(static_cast<pid_t>(*parse_i64(child))), 'Z') << "an orphan that nobody waits for";
    }
    ASSERT_EQ(::kill(static_cast<pid_t>(*first), SIGTERM), 0);
    EXPECT_EQ(wait_for(outer), 33) << "own /proc: " << own_proc;
    EXPECT_GT(parse_i64(notes.report("report")["cpu_time"]).value_or(0), 0);
  }
}

}  // namespace
}  // namespace everywatt
