#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/perf_event.h>

#include <array>
#include <cerrno>
#include <map>
#include <utility>

#include "base/file.h"
#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kName = "rapl-perf";

// A kernel whose counters are pipes: what the test counts is what is read next.
class FakeKernel {
 public:
  FakeKernel() { current_ = this; }
  ~FakeKernel() { current_ = nullptr; }
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;

  static int open(perf_event_attr* attr, pid_t pid, int cpu, int group, unsigned long flags) {
    return current_->open_counter(*attr, pid, cpu, group, flags);
  }

  void count(std::uint64_t event, int cpu, std::uint64_t value) {
    ASSERT_EQ(::write(counters_.at({event, cpu}).get(), &value, sizeof value), ssize_t{sizeof value});
  }
  void end(std::uint64_t event, int cpu) { counters_.at({event, cpu}) = Fd{}; }

  int refuse_with = 0;
  std::vector<std::uint32_t> types;

 private:
  int open_counter(const perf_event_attr& attr, pid_t pid, int cpu, int group, unsigned long flags) {
    EXPECT_EQ(pid, -1);
    EXPECT_EQ(group, -1);
    EXPECT_TRUE(flags & PERF_FLAG_FD_CLOEXEC);
    if (refuse_with != 0) {
      errno = refuse_with;
      return -1;
    }
    types.push_back(attr.type);
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK), 0);
    counters_[{attr.config, cpu}] = Fd{ends[1]};
    return ends[0];
  }

  static inline FakeKernel* current_ = nullptr;
  std::map<std::pair<std::uint64_t, int>, Fd> counters_;  // the writing ends
};

Roots roots_with_kernel(const FixtureTree& tree) {
  Roots roots = roots_of(tree);
  roots.perf_event_open = &FakeKernel::open;
  return roots;
}

TEST(RaplPerf, OpensOneEventForEachDomainAndPackage) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  FakeKernel kernel;
  auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source),
              UnorderedElementsAre("package:0", "package:1", "dram:0", "dram:1", "psys:0", "psys:1"));
  EXPECT_EQ(kernel.types, std::vector<std::uint32_t>(6, 23u));
}

TEST(RaplPerf, CountsIn64BitsOfOneTwoToThe32thOfAJoule) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  FakeKernel kernel;
  auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  const Channel& package = *channel(**source, "package:1");
  EXPECT_EQ(package.range, std::nullopt);
  EXPECT_EQ(package.scale.numerator, 1'000'000u);
  EXPECT_EQ(package.scale.denominator, 1ull << 32);
  kernel.count(0x02, 56, 3ull << 40);
  EXPECT_EQ(raw(**source, "package:1"), 3ull << 40) << "a count beyond 32 bits";
}

TEST(RaplPerf, IsPreferredToPowercap) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  FakeKernel kernel;
  const auto perf = open_source(kName, roots_with_kernel(tree));
  const auto powercap = open_source("rapl-powercap", tree);
  ASSERT_TRUE(perf && powercap);
  EXPECT_LT(channel(**perf, "package:0")->rank, channel(**powercap, "package:0")->rank);
}

TEST(RaplPerf, AgreesWithPowercapOnWhatADeviceIs) {
  for (const char* machine : {"two_socket_xeon"}) {
    const auto tree = FixtureTree::recorded(machine);
    FakeKernel kernel;
    const auto perf = open_source(kName, roots_with_kernel(tree));
    const auto powercap = open_source("rapl-powercap", tree);
    ASSERT_TRUE(perf && powercap);
    for (const Device& ours : (*perf)->inventory().devices) {
      const Device* theirs = device(**powercap, ours.id);
      if (!theirs) continue;
      EXPECT_EQ(ours.kind, theirs->kind);
      EXPECT_EQ(ours.parent, theirs->parent);
      EXPECT_EQ(ours.follows, theirs->follows);
      EXPECT_EQ(ours.cpus, theirs->cpus);
    }
  }
}

TEST(RaplPerf, IsAbsentWhereTheKernelMustNotBeAsked) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

TEST(RaplPerf, IsAbsentWithoutThePmu) {
  const auto tree = FixtureTree::recorded("cloud_vm");
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

TEST(RaplPerf, DeniedNamesTheCapabilityAndTheSetting) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  for (const int refusal : {EACCES, EPERM}) {
    FakeKernel kernel;
    kernel.refuse_with = refusal;
    const auto source = open_source(kName, roots_with_kernel(tree));
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, Errc::denied);
    EXPECT_THAT(source.error().what, HasSubstr("CAP_PERFMON"));
    EXPECT_THAT(source.error().what, HasSubstr("perf_event_paranoid"));
  }
}

TEST(RaplPerf, SeveralCpusOfOnePackageAreOneCounter) {
  // Kernels 6.9 to 6.11 name one CPU for each core complex of an AMD package.
  const auto tree = FixtureTree::recorded("epyc");
  tree.write("sys/bus/event_source/devices/power/type", "9\n");
  tree.write("sys/bus/event_source/devices/power/cpumask", "0,8,16,24\n");
  tree.write("sys/bus/event_source/devices/power/events/energy-pkg", "event=0x02\n");
  tree.write("sys/bus/event_source/devices/power/events/energy-pkg.scale", "2.3283064365386962890625e-10\n");
  tree.write("sys/bus/event_source/devices/power/events/energy-pkg.unit", "Joules\n");
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), UnorderedElementsAre("package:0"));
  EXPECT_TRUE(has_note(**source, "power/energy-pkg: ", "CPU 8 repeats package:0"));
}

TEST(RaplPerf, AnUnknownUnitIsLeftOutWithANote) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  tree.write("sys/bus/event_source/devices/power/events/energy-ram.unit", "Calories\n");
  tree.write("sys/bus/event_source/devices/power/events/energy-psys.scale", "0.3\n");
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  EXPECT_THAT(metered(**source), UnorderedElementsAre("package:0", "package:1"));
  EXPECT_TRUE(has_note(**source, "power/energy-ram: ", "unit"));
  EXPECT_TRUE(has_note(**source, "power/energy-psys: ", "scale"));
}

TEST(RaplPerf, ACounterThatEndsLeavesTheOthersReadings) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  FakeKernel kernel;
  auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  for (const std::uint64_t event : {0x02u, 0x03u, 0x05u}) {
    for (const int cpu : {0, 56}) kernel.count(event, cpu, 1000 + event);
  }
  std::vector<Reading> readings;
  ASSERT_TRUE((*source)->sample(readings));
  EXPECT_EQ(readings.size(), 6u);

  kernel.end(0x03, 0);
  for (const std::uint64_t event : {0x02u, 0x05u}) {
    for (const int cpu : {0, 56}) kernel.count(event, cpu, 2000);
  }
  kernel.count(0x03, 56, 2000);
  readings.clear();
  const auto sampled = (*source)->sample(readings);
  ASSERT_FALSE(sampled);
  EXPECT_THAT(sampled.error().what, HasSubstr("energy-ram"));
  EXPECT_EQ(readings.size(), 5u);
}

}  // namespace
}  // namespace everywatt::testing
