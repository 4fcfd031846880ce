#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/perf_event.h>

#include <array>
#include <cerrno>
#include <map>
#include <tuple>

#include "base/file.h"
#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kName = "memory-traffic";

// A kernel whose counters are pipes: what the test counts is what is read next.
class FakeKernel {
 public:
  struct Count {
    std::uint64_t value = 0;
    std::uint64_t enabled = 1000;
    std::uint64_t running = 1000;
  };
  FakeKernel() { current_ = this; }
  ~FakeKernel() { current_ = nullptr; }
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;

  static int open(perf_event_attr* attr, pid_t pid, int cpu, int group, unsigned long flags) {
    return current_->open_counter(*attr, pid, cpu, group, flags);
  }
  void count(std::uint32_t type, std::uint64_t config, int cpu, Count count) {
    ASSERT_EQ(::write(counters_.at({type, config, cpu}).get(), &count, sizeof count), ssize_t{sizeof count});
  }
  // The same of every counter.
  void count_all(std::uint64_t value) {
    for (const auto& [key, end] : counters_) count(std::get<0>(key), std::get<1>(key), std::get<2>(key), {value});
  }
  [[nodiscard]] std::size_t opened() const { return counters_.size(); }

  int refuse_with = 0;

 private:
  int open_counter(const perf_event_attr& attr, pid_t pid, int cpu, int group, unsigned long flags) {
    EXPECT_EQ(pid, -1);
    EXPECT_EQ(group, -1);
    EXPECT_TRUE(flags & PERF_FLAG_FD_CLOEXEC);
    EXPECT_EQ(attr.read_format, PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING);
    if (refuse_with != 0) {
      errno = refuse_with;
      return -1;
    }
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_NONBLOCK), 0);
    counters_[{attr.type, attr.config, cpu}] = Fd{ends[1]};
    return ends[0];
  }

  static inline FakeKernel* current_ = nullptr;
  std::map<std::tuple<std::uint32_t, std::uint64_t, int>, Fd> counters_;  // the writing ends
};

Roots roots_with_kernel(const FixtureTree& tree) {
  Roots roots = roots_of(tree);
  roots.perf_event_open = &FakeKernel::open;
  return roots;
}

// "package:0 memory_read", in the order of the channels.
std::vector<std::string> told(const Source& source) {
  std::vector<std::string> names;
  for (const QuantityChannel& quantity : source.inventory().quantities) {
    if (!quantity.missing) names.push_back(quantity.device + " " + quantity.name);
  }
  return names;
}

std::map<std::string, std::uint64_t> read(Source& source) {
  std::vector<Reading> readings;
  (void)source.sample(readings);
  std::map<std::string, std::uint64_t> values;
  for (const Reading& reading : readings) {
    const QuantityChannel& quantity = source.inventory().quantities.at(reading.channel);
    values[quantity.device + " " + quantity.name] = reading.raw;
  }
  return values;
}

constexpr std::uint64_t kRead = 0xcf05, kWrite = 0xf005;  // umask in bits 8 to 15, event in 0 to 7

TEST(UncoreMemory, SumsTheControllersOfEachPackage) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source) << source.error().what;
  EXPECT_EQ(kernel.opened(), 8u) << "two controllers, two directions, two packages";
  EXPECT_THAT(told(**source), ElementsAre("package:0 memory_read", "package:1 memory_read", "package:0 memory_written",
                                          "package:1 memory_written"));
  kernel.count_all(1000);
  EXPECT_EQ(read(**source).at("package:0 memory_read"), 0u) << "since it was opened";
  for (const std::uint32_t type : {40u, 41u}) {
    for (const int cpu : {0, 56}) {
      kernel.count(type, kRead, cpu, {.value = 1000u + type * static_cast<std::uint64_t>(cpu + 1)});
      kernel.count(type, kWrite, cpu, {.value = 1010});
    }
  }
  const auto values = read(**source);
  EXPECT_EQ(values.at("package:0 memory_read"), 64u * 81);
  EXPECT_EQ(values.at("package:1 memory_read"), 64u * 81 * 57);
  EXPECT_EQ(values.at("package:1 memory_written"), 64u * 20);
}

TEST(UncoreMemory, WhatWasCountedForAPartOfTheTimeIsMadeUpForAndNeverFalls) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  tree.remove("sys/bus/event_source/devices/uncore_imc_1");
  tree.write("sys/bus/event_source/devices/uncore_imc_0/cpumask", "0\n");
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  const auto count = [&](FakeKernel::Count read_count) {
    kernel.count(40, kRead, 0, read_count);
    kernel.count(40, kWrite, 0, {0});
    return read(**source);
  };
  (void)count({.value = 0});
  EXPECT_EQ(count({.value = 100, .enabled = 2000, .running = 1000}).at("package:0 memory_read"), 64u * 200);
  EXPECT_EQ(count({.value = 110, .enabled = 3000, .running = 2000}).at("package:0 memory_read"), 64u * 200);
  EXPECT_EQ(count({.value = 300, .enabled = 4000, .running = 4000}).at("package:0 memory_read"), 64u * 300);
  const auto never_ran = count({.value = 0, .enabled = 5000, .running = 0});
  EXPECT_FALSE(never_ran.contains("package:0 memory_read"));
  EXPECT_TRUE(never_ran.contains("package:0 memory_written"));
}

TEST(UncoreMemory, AClientCountsRequestsAndGraniteRapidsHalvesOfAChannel) {
  const auto tree = FixtureTree::recorded("desktop");
  const std::string pmu = "sys/bus/event_source/devices/uncore_imc/";
  const auto event = [&](const std::string& name, const std::string& terms) {
    tree.write(pmu + "events/" + name, terms + "\n");
    tree.write(pmu + "events/" + name + ".scale", "6.103515625e-5\n");
    tree.write(pmu + "events/" + name + ".unit", "MiB\n");
  };
  tree.write(pmu + "type", "12\n");
  tree.write(pmu + "cpumask", "0\n");
  tree.write(pmu + "format/event", "config:0-7\n");
  tree.write(pmu + "format/umask", "config:8-15\n");
  event("data_reads", "event=0x01");
  event("data_writes", "event=0x02");
  {
    FakeKernel kernel;
    const auto source = open_source(kName, roots_with_kernel(tree));
    ASSERT_TRUE(source) << source.error().what;
    kernel.count(12, 1, 0, {0});
    kernel.count(12, 2, 0, {0});
    (void)read(**source);
    kernel.count(12, 1, 0, {5});
    kernel.count(12, 2, 0, {7});
    EXPECT_EQ(read(**source).at("package:0 memory_read"), 320u);
  }
  event("cas_count_read_sch0", "event=0x05,umask=0xcf");
  event("cas_count_read_sch1", "event=0x06,umask=0xcf");
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  EXPECT_THAT(told(**source), ElementsAre("package:0 memory_read")) << "requests are column accesses already";
  kernel.count_all(0);
  (void)read(**source);
  kernel.count_all(10);
  EXPECT_EQ(read(**source).at("package:0 memory_read"), 64u * 20);
}

TEST(UncoreMemory, AmdsControllersAreAskedByTheKernelsOwnTable) {
  const auto tree = FixtureTree::recorded("epyc");
  for (const char* number : {"0", "1"}) {
    const std::string pmu = std::string{"sys/bus/event_source/devices/amd_umc_"} + number + "/";
    tree.write(pmu + "type", std::string{"2"} + number + "\n");
    tree.write(pmu + "cpumask", "0\n");
    tree.write(pmu + "format/event", "config:0-7\n");
    tree.write(pmu + "format/rdwrmask", "config:8-9\n");
  }
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source) << source.error().what;
  kernel.count(20, 0x10a, 0, {0});
  kernel.count(20, 0x20a, 0, {0});
  kernel.count(21, 0x10a, 0, {0});
  kernel.count(21, 0x20a, 0, {0});
  (void)read(**source);
  kernel.count_all(3);
  EXPECT_EQ(read(**source).at("package:0 memory_written"), 64u * 6);
}

TEST(UncoreMemory, DeniedIsAMissingQuantityThatNamesItsRemedy) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  FakeKernel kernel;
  kernel.refuse_with = EACCES;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  EXPECT_THAT(told(**source), ElementsAre());
  const auto& quantities = (*source)->inventory().quantities;
  ASSERT_EQ(quantities.size(), 2u);
  EXPECT_EQ(quantities[1].device, "package:1");
  EXPECT_THAT(*quantities[1].missing, HasSubstr("CAP_PERFMON"));
  EXPECT_THAT(*quantities[1].missing, HasSubstr("perf_event_paranoid"));
}

TEST(UncoreMemory, AnUnknownScaleOrTermIsNotGuessed) {
  const auto tree = FixtureTree::recorded("two_socket_xeon");
  for (const char* number : {"0", "1"}) {
    const std::string pmu = std::string{"sys/bus/event_source/devices/uncore_imc_"} + number + "/";
    tree.write(pmu + "events/cas_count_read.unit", "Furlongs\n");
    tree.write(pmu + "events/cas_count_write", "event=0x05,colour=3\n");
  }
  FakeKernel kernel;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

TEST(UncoreMemory, IsAbsentWhereTheKernelMustNotBeAsked) {
  const auto source = open_source(kName, FixtureTree::recorded("two_socket_xeon"));
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

// Two packages with a cache each, and resctrl mounted.
FixtureTree with_resctrl() {
  auto tree = FixtureTree::recorded("two_socket_xeon");
  tree.write("sys/devices/system/cpu/cpu0/cache/index3/id", "0\n");
  tree.write("sys/devices/system/cpu/cpu56/cache/index3/id", "1\n");
  for (const char* domain : {"mon_L3_00", "mon_L3_01"}) {
    const std::string folder = std::string{"sys/fs/resctrl/mon_data/"} + domain;
    tree.write(folder + "/mbm_total_bytes", "1000\n");
    tree.write(folder + "/llc_occupancy", "77\n");
  }
  tree.write("sys/fs/resctrl/info/L3_MON/num_rmids", "256\n");
  return tree;
}

TEST(Resctrl, CountsWhatPassesTheCacheOfEachPackage) {
  const auto tree = with_resctrl();
  const auto source = open_source(kName, tree);
  ASSERT_TRUE(source) << source.error().what;
  EXPECT_THAT(told(**source), ElementsAre("package:0 memory_traffic", "package:1 memory_traffic"));
  (void)read(**source);
  tree.write("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", "5096\n");
  tree.write("sys/fs/resctrl/mon_data/mon_L3_01/mbm_total_bytes", "1007\n");
  const auto values = read(**source);
  EXPECT_EQ(values.at("package:0 memory_traffic"), 4096u);
  EXPECT_EQ(values.at("package:1 memory_traffic"), 7u);
}

TEST(Resctrl, GroupsOfTheirOwnAreAdded) {
  const auto tree = with_resctrl();
  tree.write("sys/fs/resctrl/batch/mon_data/mon_L3_00/mbm_total_bytes", "10\n");
  tree.write("sys/fs/resctrl/mon_groups/watched/mon_data/mon_L3_00/mbm_total_bytes", "10\n");
  const auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  (void)read(**source);
  tree.write("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", "1100\n");
  tree.write("sys/fs/resctrl/batch/mon_data/mon_L3_00/mbm_total_bytes", "60\n");
  tree.write("sys/fs/resctrl/mon_groups/watched/mon_data/mon_L3_00/mbm_total_bytes", "90\n");
  EXPECT_EQ(read(**source).at("package:0 memory_traffic"), 150u) << "a monitoring group is in its control group's sum";
}

TEST(Resctrl, WhatIsNotToldIsNoReadingAndComesWithTheNextOne) {
  const auto tree = with_resctrl();
  const auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  (void)read(**source);
  for (const char* word : {"Unavailable\n", "Error\n", "Unassigned\n"}) {
    tree.write("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", word);
    std::vector<Reading> readings;
    EXPECT_TRUE((*source)->sample(readings)) << "no failure either";
    ASSERT_EQ(readings.size(), 1u) << word;
    EXPECT_EQ(readings[0].channel, 1u);
  }
  tree.write("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", "1500\n");
  EXPECT_EQ(read(**source).at("package:0 memory_traffic"), 500u);
}

TEST(Resctrl, ACountThatFallsBeganAgain) {
  const auto tree = with_resctrl();
  const auto source = open_source(kName, tree);
  ASSERT_TRUE(source);
  (void)read(**source);
  tree.write("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", "1200\n");
  (void)read(**source);
  tree.write("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", "30\n");
  EXPECT_EQ(read(**source).at("package:0 memory_traffic"), 230u);
}

TEST(Resctrl, TheControllersAreAskedFirstAndWhyNotIsNoted) {
  const auto tree = with_resctrl();
  FakeKernel kernel;
  {
    const auto source = open_source(kName, roots_with_kernel(tree));
    ASSERT_TRUE(source);
    EXPECT_EQ(told(**source).front(), "package:0 memory_read");
  }
  kernel.refuse_with = EPERM;
  const auto source = open_source(kName, roots_with_kernel(tree));
  ASSERT_TRUE(source);
  EXPECT_EQ(told(**source).front(), "package:0 memory_traffic");
  EXPECT_TRUE(has_note(**source, "memory controllers: ", "CAP_PERFMON"));
}

TEST(Resctrl, DeniedNamesItsRemedy) {
  const auto tree = with_resctrl();
  tree.set_mode("sys/fs/resctrl/mon_data/mon_L3_00/mbm_total_bytes", 0);
  EXPECT_TRUE(holds_unprivileged(tree, [&] {
    const auto source = open_source(kName, tree);
    return source && told(**source).empty() &&
           (*source)->inventory().quantities.at(0).missing->find("let a group read") != std::string::npos;
  }));
}

TEST(Resctrl, AnEmptyMountPointIsAbsent) {
  const auto tree = FixtureTree::recorded("cloud_vm");
  tree.write("sys/fs/resctrl/.keep", "");
  const auto source = open_source(kName, tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::absent);
}

}  // namespace
}  // namespace everywatt::testing
