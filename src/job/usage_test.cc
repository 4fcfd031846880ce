// What the run's processes used, against what the kernel tells their parent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "job/driven.h"
#include "job/job.h"
#include "job/mounts.h"

namespace everywatt {
namespace {

using namespace everywatt::testing;
using ::testing::ElementsAre;
using ::testing::StartsWith;

// Short-lived children, some of them orphans; tells what the kernel charged
// them with (RUSAGE_CHILDREN and RUSAGE_SELF).
constexpr const char* kManyChildren = R"(
import os, resource, sys
def burn(n):
    while n: n -= 1
for i in range(2000):
    pid = os.fork()
    if pid == 0:
        burn(2000); os._exit(0)
    os.waitpid(pid, 0)
burn(2000000)
own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
open(sys.argv[1], 'w').write(repr(own))
)";

double cpu_seconds(const Notes& notes) { return std::stod(notes.report("report").at("cpu_time")) / kSecond; }

class ManyChildren : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(CountedBy, ManyChildren, ::testing::Values("cgroup", "process-tree"), [](const auto& each) {
  return *each.param == 'c' ? std::string{"Cgroup"} : std::string{"Tree"};
});

TEST_P(ManyChildren, AreCountedOnceAndWhole) {
  const std::string method = GetParam();
  if (method == "cgroup" && ::geteuid() != 0) GTEST_SKIP() << "needs the right to make a cgroup";
  const Notes notes;
  std::vector<std::string> options{"--report", notes.path("report")};
  if (method != "cgroup") options.insert(options.begin(), "--tree");
  ASSERT_EQ(run(driven(options, {"/usr/bin/python3", "-c", kManyChildren, notes.path("own")})), 0);
  auto report = notes.report("report");
  EXPECT_EQ(report["method"], method);
  EXPECT_EQ(report["backwards"], "0");
  const double own = std::stod(notes.text("own"));
  // Beside what it saw itself: its start and its end.
  EXPECT_GE(cpu_seconds(notes), own - 0.02);
  EXPECT_LE(cpu_seconds(notes), own * 1.02 + 0.05);
}

TEST_P(ManyChildren, AreCountedWhenTheyAreOrphans) {
  const std::string method = GetParam();
  if (method == "cgroup" && ::geteuid() != 0) GTEST_SKIP() << "needs the right to make a cgroup";
  const Notes notes;
  // Four orphans that burn 0.1 s each and outlive their parents, not the command.
  const std::string script = R"(
import os, sys, time
def burn(s):
    t = time.process_time()
    while time.process_time() - t < s: pass
for i in range(4):
    if os.fork() == 0:
        if os.fork() == 0:
            burn(.1); open(sys.argv[1] + str(i), 'w').close(); os._exit(0)
        os._exit(0)
    os.wait()
while not all(os.path.exists(sys.argv[1] + str(i)) for i in range(4)): time.sleep(.01)
time.sleep(.15)
)";
  std::vector<std::string> options{"--report", notes.path("report")};
  if (method != "cgroup") options.insert(options.begin(), "--tree");
  ASSERT_EQ(run(driven(options, {"/usr/bin/python3", "-c", script, notes.path("done")})), 0);
  EXPECT_GE(cpu_seconds(notes), 0.4);
  EXPECT_LE(cpu_seconds(notes), 0.6);
}

// A stranger to the machine's files: no cgroup can be made, and the figures are as whole.
TEST(AnUnprivilegedUser, GetsTheProcessTree) {
  if (::geteuid() != 0) GTEST_SKIP() << "is one already: the other tests are this one";
  const Notes notes;
  notes.open_to_all();
  std::vector<std::string> command{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"};
  const auto driver =
      driven({"--report", notes.path("report")}, {"/usr/bin/python3", "-c", kManyChildren, notes.path("own")});
  command.insert(command.end(), driver.begin(), driver.end());
  ASSERT_EQ(run(command), 0);
  EXPECT_EQ(notes.report("report")["method"], "process-tree");
  const double own = std::stod(notes.text("own"));
  EXPECT_GE(cpu_seconds(notes), own - 0.02);
  EXPECT_LE(cpu_seconds(notes), own * 1.02 + 0.05);
}

TEST(AnotherRunInside, IsPartOfTheOuterRun) {
  const Notes notes;
  const std::string burn = "import time\nt=time.process_time()\nwhile time.process_time()-t<.3: pass";
  ASSERT_EQ(run(driven({"--report", notes.path("report")},
                       driven({"--report", notes.path("inner")}, {"/usr/bin/python3", "-c", burn}))),
            0);
  const double inner = std::stod(notes.report("inner").at("cpu_time"));
  EXPECT_GE(inner, 0.3 * kSecond);
  EXPECT_GE(cpu_seconds(notes) * kSecond, inner);
}

TEST(MemoryAndDisk, AreThoseOfTheJob) {
  const Notes notes;
  const std::string script =
      "import os,sys,time\nkept=bytearray(b'x')*(200<<20)\nf=os.open(sys.argv[1],os.O_WRONLY|os.O_CREAT)\n"
      "os.write(f,b'y'*(4<<20)); os.fsync(f)\n"
      // Its child shares the memory: the peak is not twice as large.
      "pid=os.fork()\ntime.sleep(.25)\nif pid: os.wait()\n";
  // Where files live on a disk.
  ASSERT_EQ(run(driven({"--report", notes.path("report")}, {"/usr/bin/python3", "-c", script, notes.path("data")})), 0);
  auto report = notes.report("report");
  const double peak = std::stod(report.at("peak_memory"));
  EXPECT_GE(peak, 200.0 * (1 << 20));
  EXPECT_LE(peak, 260.0 * (1 << 20));
  EXPECT_TRUE(report.contains("disk_written"));
}

std::vector<std::string> groups_in(const std::filesystem::path& place) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{place}) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  return names;
}

TEST(AGroupLeftBehind, IsRemovedByALaterRun) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs the right to make a cgroup";
  const Notes notes;
  // Its own place among the groups: every run sweeps where it is, those of other tests too.
  const auto here = cgroup_folder_of(::getpid());
  ASSERT_TRUE(here);
  const auto place = here->folder / ("test-of-a-group-left-behind." + std::to_string(::getpid()));
  ASSERT_EQ(::mkdir(place.c_str(), 0755), 0);
  const auto move_there = [procs = (place / "cgroup.procs").string()] { std::ofstream{procs} << 0; };

  const std::string script = "echo $$ > " + notes.path("job") + "; sleep 0.1";
  const pid_t supervisor = launch(driven({}, {"sh", "-c", script}), move_there);
  const pid_t job = notes.pid("job");
  ::kill(supervisor, SIGKILL);
  wait_for(supervisor);
  ASSERT_TRUE(eventually([&] { return state_of(job) == 0 || state_of(job) == 'Z'; }));
  EXPECT_THAT(groups_in(place), ElementsAre(StartsWith("everywatt-driver."))) << "nobody was there to remove it";
  EXPECT_TRUE(eventually([&] { return run(driven({}, {"true"}), move_there) == 0 && groups_in(place).empty(); }));
  EXPECT_EQ(::rmdir(place.c_str()), 0);
}

}  // namespace
}  // namespace everywatt
