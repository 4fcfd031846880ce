#include <gmock/gmock.h>
#include <unistd.h>

#include "base/file.h"
#include "sources/proc_stat.h"
#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kName = "proc-stat";
// The kernel's USER_HZ is 100 on every architecture that this runs on.
constexpr std::uint64_t kTick = 10'000'000;

FixtureTree two_cpus(std::string_view stat) {
  FixtureTree tree;
  tree.write("proc/stat", stat);
  return tree;
}

TEST(CpuUsage, WorkIsAllThatIsNeitherIdleNorWaitingNorStolen) {
  //                                  user nice system idle iowait irq softirq steal guest guest_nice
  const auto tree = two_cpus("cpu  0 0 0 0\ncpu0 100 20 30 4000 500 6 7 800 90 9\nintr 0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), (100u + 20 + 30 + 6 + 7) * kTick) << "guests are within user and nice";
}

TEST(CpuUsage, EachPackageHasItsOwnCpus) {
  const auto tree = FixtureTree::recorded("cpus_256");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), ElementsAre("package:0", "package:1"));
  const auto text = read_text(tree.root() / "proc/stat");
  std::vector<CpuTicks> lines;
  ASSERT_EQ(scan_cpu_lines(*text, lines), CpuLines::complete);
  std::uint64_t second = 0;
  for (const CpuTicks& line : lines) {
    if ((line.cpu >= 64 && line.cpu < 128) || line.cpu >= 192) second += line.worked;
  }
  EXPECT_EQ(raw(**source, "package:1"), second * kTick);
}

TEST(CpuUsage, ACpuThatGoesOfflineKeepsWhatItWorked) {
  const auto tree = two_cpus("cpu  0 0 0 0\ncpu0 10 0 0 9 0 0 0\ncpu1 50 0 0 9 0 0 0\nintr 0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), 60 * kTick);
  tree.write("proc/stat", "cpu  0 0 0 0\ncpu0 11 0 0 9 0 0 0\nintr 0\n");
  EXPECT_EQ(raw(**source, "package:0"), 61 * kTick);
  tree.write("proc/stat", "cpu  0 0 0 0\ncpu0 11 0 0 9 0 0 0\ncpu1 52 0 0 9 0 0 0\nintr 0\n");
  EXPECT_EQ(raw(**source, "package:0"), 63 * kTick);
}

TEST(CpuUsage, NeverRunsBackwards) {
  const auto tree = two_cpus("cpu  0 0 0 0\ncpu0 100 0 0 9 0 0 0\nintr 0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), 100 * kTick);
  tree.write("proc/stat", "cpu  0 0 0 0\ncpu0 40 0 0 9 0 0 0\nintr 0\n");
  EXPECT_EQ(raw(**source, "package:0"), 100 * kTick);
  tree.write("proc/stat", "cpu  0 0 0 0\ncpu0 45 0 0 9 0 0 0\nintr 0\n");
  EXPECT_EQ(raw(**source, "package:0"), 105 * kTick);
}

TEST(CpuUsage, ATextThatOutgrowsTheBufferIsReadWhole) {
  std::string stat = "cpu  0 0 0 0\n";
  for (int cpu = 0; cpu < 2; ++cpu) {
    stat += "cpu" + std::to_string(cpu) + " 5 0 0 9 0 0 0";
    for (int column = 0; column < 2000; ++column) stat += " 0";
    stat += "\n";
  }
  const auto tree = two_cpus(stat + "intr 0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), 10 * kTick);
}

TEST(CpuUsage, AFileOfCpuLinesAloneIsWhole) {
  const auto tree = two_cpus("cpu  0 0 0 0\ncpu0 5 0 0 9 0 0 0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  EXPECT_EQ(raw(**source, "package:0"), 5 * kTick);
}

TEST(CpuUsage, AnEmptyOrForeignTextIsAnErrorAndNoReading) {
  const auto tree = two_cpus("cpu  0 0 0 0\ncpu0 5 0 0 9 0 0 0\nintr 0\n");
  auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  for (const std::string_view text : {"", "hello\n", "cpu0 many\nintr 0\n", "cpu  1 2 3 4\nintr 0\n"}) {
    tree.write("proc/stat", text);
    std::vector<Reading> readings;
    const auto sampled = (*source)->sample(readings);
    ASSERT_FALSE(sampled) << text;
    EXPECT_EQ(sampled.error().code, Errc::malformed);
    EXPECT_TRUE(readings.empty());
  }
}

TEST(CpuUsage, AMachineWithoutProcStatIsSaidToBeSo) {
  const FixtureTree tree;
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

TEST(CpuUsage, ReadsEachOf256Cpus) {
  const auto text = read_text(FixtureTree::recorded("cpus_256").root() / "proc/stat");
  std::vector<CpuTicks> lines;
  ASSERT_EQ(scan_cpu_lines(*text, lines), CpuLines::complete);
  EXPECT_EQ(lines.size(), 256u);
}

TEST(ProcStat, ALineThatIsCutOffAsksForMoreText) {
  std::vector<CpuTicks> lines;
  const std::string_view whole = "cpu  9 9 9 9\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 0\n";
  EXPECT_EQ(scan_cpu_lines(whole, lines), CpuLines::complete);
  for (std::size_t size = whole.find("cpu0") + 4; size < whole.find("\nintr"); ++size) {
    EXPECT_EQ(scan_cpu_lines(whole.substr(0, size), lines), CpuLines::cut_off) << whole.substr(0, size);
  }
}

TEST(ProcStat, AKernelWithFewerColumnsIsUnderstood) {
  std::vector<CpuTicks> lines;
  ASSERT_EQ(scan_cpu_lines("cpu0 1 2 3 4\nintr 0\n", lines), CpuLines::complete);
  EXPECT_EQ(lines.at(0).worked, 6u);
  EXPECT_EQ(scan_cpu_lines("cpu0 1 2 3\nintr 0\n", lines), CpuLines::malformed);
}

TEST(ProcStat, NumbersThatCannotBeAreRefused) {
  std::vector<CpuTicks> lines;
  EXPECT_EQ(scan_cpu_lines("cpu0 99999999999999999999 0 0 0\nintr 0\n", lines), CpuLines::malformed);
  EXPECT_EQ(scan_cpu_lines("cpu4000000000 1 0 0 0\nintr 0\n", lines), CpuLines::malformed);
  EXPECT_EQ(scan_cpu_lines("cpu0 -1 0 0 0\nintr 0\n", lines), CpuLines::malformed);
}

}  // namespace
}  // namespace everywatt::testing
