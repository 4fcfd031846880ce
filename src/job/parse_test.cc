// Texts of /proc and /sys, and the books that are kept of processes.
#include <gtest/gtest.h>

#include "job/mounts.h"
#include "job/process.h"
#include "job/process_ledger.h"
#include "job/rank.h"
#include "job/reservation.h"
#include "job/run_cgroup.h"
#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

TEST(ProcessStat, IsReadWhateverTheName) {
  const auto stat = parse_process_stat(
      "4242 (a) b (c) S 17 4242 4242 0 -1 4194560 100 200 0 0 12 34 56 78 20 0 1 0 987654 1000 25 "
      "18446744073709551615");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, 4242);
  EXPECT_EQ(stat->parent, 17);
  EXPECT_EQ(stat->name, "a) b (c");
  EXPECT_EQ(stat->cpu_time, 460 * kMillisecond);
  EXPECT_EQ(stat->waited_time, 1340 * kMillisecond);
  EXPECT_EQ(stat->start_ticks, 987654u);
  EXPECT_FALSE(stat->ended);
  EXPECT_TRUE(parse_process_stat("1 (x) Z 0 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 0 0")->ended);
}

TEST(ProcessStat, IsNothingWhereItIsCutOff) {
  const std::string whole = "4242 (name) S 17 4242 4242 0 -1 4194560 100 200 0 0 12 34 56 78 20 0 1 0 987654 1000 25";
  ASSERT_TRUE(parse_process_stat(whole));
  for (const std::size_t size : {0uz, 4uz, 6uz, 11uz, 14uz, 60uz, whole.size() - 3}) {
    EXPECT_FALSE(parse_process_stat(whole.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_process_stat(")4242("));
}

constexpr const char* kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:2 - cgroup2 cgroup2 rw\n";

TEST(CgroupMounts, AreFoundInEveryLayout) {
  EXPECT_EQ(find_cgroup_mount(kHybrid, "")->point, "/sys/fs/cgroup/unified");
  EXPECT_EQ(find_cgroup_mount(kHybrid, "cpu")->point, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_FALSE(find_cgroup_mount(kHybrid, "memory"));
  const auto odd = find_cgroup_mount("9 1 0:3 /docker/a\\040b /mnt/my\\040groups ro - cgroup2 none rw", "");
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->point, "/mnt/my groups");
  EXPECT_EQ(odd->root, "/docker/a b");
  EXPECT_FALSE(find_cgroup_mount("", ""));
  EXPECT_FALSE(find_cgroup_mount("1 2 3 4 - cgroup2", ""));
}

TEST(CgroupPaths, AreFoundByController) {
  const char* text = "4:cpu,cpuacct:/one\n3:name=systemd:/two\n0::/user.slice/a:b.scope\n";
  EXPECT_EQ(find_cgroup_path(text, ""), "/user.slice/a:b.scope");
  EXPECT_EQ(find_cgroup_path(text, "cpu"), "/one");
  EXPECT_FALSE(find_cgroup_path(text, "memory"));
  EXPECT_FALSE(find_cgroup_path("0:/broken", ""));
}

TEST(CgroupStatistics, AreRead) {
  EXPECT_EQ(parse_cpu_stat("usage_usec 1500\nuser_usec 1000\n"), 1'500'000);
  EXPECT_FALSE(parse_cpu_stat("user_usec 1000\n"));
  const DiskBytes disk =
      parse_io_stat("8:0 rbytes=100 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2\n");
  EXPECT_EQ(disk.read, 101u);
  EXPECT_EQ(disk.written, 22u);
}

TEST(CpuQuota, IsTheLeastOfAllGroupsAbove) {
  const testing::FixtureTree tree;
  tree.write("cpu.max", "max 100000\n");
  tree.write("a/cpu.max", "150000 100000\n");
  tree.write("a/b/cpu.max", "400000 100000\n");
  tree.write("c/cpu.max", "max 100000\n");
  tree.write("v1/cpu.cfs_quota_us", "50000\n");
  tree.write("v1/cpu.cfs_period_us", "100000\n");
  tree.write("v1/free/cpu.cfs_quota_us", "-1\n");
  tree.write("v1/free/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(tree.root(), tree.root() / "a/b"), 1.5);
  EXPECT_EQ(cpu_quota(tree.root(), tree.root() / "v1/free"), 0.5);
  EXPECT_FALSE(cpu_quota(tree.root(), tree.root() / "c"));
  EXPECT_FALSE(cpu_quota(tree.root() / "a/b", tree.root() / "c/d"));
}

TEST(Rank, IsWhatTheLauncherSays) {
  using namespace std::string_view_literals;
  EXPECT_EQ(rank_in("A=1\0SLURM_PROCID=3\0RANK=2\0"sv), 2);
  EXPECT_EQ(rank_in("SLURM_PROCID=3\0"sv), 3);
  EXPECT_FALSE(rank_in("RANKS=3\0RANK=x\0"sv));
}

ProcessStat process(pid_t pid, pid_t parent, Nanoseconds own, Nanoseconds waited = 0) {
  return {.pid = pid, .parent = parent, .name = "p", .cpu_time = own, .waited_time = waited, .start_ticks = 1};
}

TEST(ProcessLedger, CountsAChildOnceWhenItsParentHasWaitedForIt) {
  ProcessLedger ledger{ProcessLedger::Orphans::reaped_by_us};
  ledger.look(std::vector{process(2, 1, 10), process(3, 2, 5)});
  EXPECT_EQ(ledger.cpu_time(), 15);
  ledger.look(std::vector{process(2, 1, 10, 6)});
  EXPECT_EQ(ledger.cpu_time(), 16);
}

TEST(ProcessLedger, NeverRunsBackwards) {
  ProcessLedger ledger{ProcessLedger::Orphans::reaped_by_us};
  ledger.look(std::vector{process(2, 1, 100), process(3, 2, 50)});
  ledger.look(std::vector{process(2, 1, 100)});  // its child was between two parents
  EXPECT_EQ(ledger.cpu_time(), 150);
  rusage used{};
  used.ru_utime.tv_sec = 1;
  ledger.note_reaped(used);
  ledger.look({});
  EXPECT_EQ(ledger.cpu_time(), kSecond);
}

TEST(ProcessLedger, KeepsWhatTheEndedUsedWhereOthersWaitForThem) {
  ProcessLedger ledger{ProcessLedger::Orphans::reaped_elsewhere};
  ledger.look(std::vector{process(2, 1, 100), process(3, 2, 50), process(4, 3, 7)});
  ledger.start_from_here();
  EXPECT_EQ(ledger.cpu_time(), 0);
  // 4 and then 3 were waited for within the run.
  ledger.look(std::vector{process(2, 1, 100, 60)});
  EXPECT_EQ(ledger.cpu_time(), 3);
  // 2 is gone too; its parent is outside and keeps it to itself.
  ledger.look({});
  EXPECT_EQ(ledger.cpu_time(), 3);
}

TEST(ProcessLedger, DisregardsTheMemoryOfTheMaker) {
  ProcessLedger ledger{ProcessLedger::Orphans::reaped_by_us};
  ledger.disregard_peaks_up_to(10 * 1024);
  rusage used{};
  used.ru_maxrss = 10;
  ledger.note_reaped(used);
  EXPECT_FALSE(ledger.peak_memory());
  used.ru_maxrss = 11;
  ledger.note_reaped(used);
  EXPECT_EQ(ledger.peak_memory(), 11u * 1024);
}

}  // namespace
}  // namespace everywatt
