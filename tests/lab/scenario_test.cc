#include "tests/lab/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/lab/truth.h"

namespace everywatt::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Scenario parsed(std::string_view text) {
  auto scenario = parse_scenario(text, "test.toml");
  EXPECT_TRUE(scenario) << scenario.error().what;
  return scenario ? *std::move(scenario) : Scenario{};
}

std::string refusal(std::string_view text) {
  const auto scenario = parse_scenario(text, "test.toml");
  return scenario ? "" : scenario.error().what;
}

TEST(Scenario, AGpuFollowsFromItsNameAndDriver) {
  const Scenario scenario = parsed("[[gpu]]\nname = \"NVIDIA A100-SXM4-40GB\"\nwatts = 200\n");
  ASSERT_EQ(scenario.gpus.size(), 1u);
  const Gpu& gpu = scenario.gpus[0];
  EXPECT_EQ(gpu.architecture, nvml::Architecture::ampere);
  EXPECT_EQ(gpu.meters.instant->window, 25 * kMillisecond);
  EXPECT_EQ(gpu.meters.instant->period, 100 * kMillisecond);
  EXPECT_FALSE(gpu.meters.average);  // GA100 has none
  EXPECT_EQ(gpu.limit, 400 * watt);
  EXPECT_TRUE(gpu.gpm.empty());
}

TEST(Scenario, AnOldDriverHasNoPowerFields) {
  const Scenario scenario =
      parsed("[node]\ndriver = \"470.82.01\"\n[[gpu]]\nname = \"Tesla V100-SXM2-16GB\"\nwatts = 200\n");
  EXPECT_FALSE(scenario.gpus[0].meters.instant);
  EXPECT_EQ(scenario.gpus[0].meters.usage->window, 10 * kMillisecond);
  EXPECT_EQ(scenario.gpus[0].meters.counter->period, 20 * kMillisecond);
}

TEST(Scenario, CountMakesGpusOfTheirOwnUuid) {
  const Scenario scenario = parsed("[[gpu]]\ncount = 3\nwatts = 200\n[[gpu]]\nwatts = 100\n");
  ASSERT_EQ(scenario.gpus.size(), 4u);
  EXPECT_NE(scenario.gpus[2].uuid, scenario.gpus[3].uuid);
  EXPECT_NE(scenario.gpus[0].uuid, scenario.gpus[1].uuid);
}

TEST(Scenario, SensorsMayBeTakenAwayOrChanged) {
  const Scenario scenario = parsed(
      "[[gpu]]\nwatts = 200\naverage = false\ncounter = false\n"
      "instant = { gain = 0.9, dropouts_s = [[1, 2]] }\n");
  const Meters& meters = scenario.gpus[0].meters;
  EXPECT_FALSE(meters.average);
  EXPECT_FALSE(meters.counter);
  EXPECT_EQ(meters.instant->gain, 0.9);
  EXPECT_EQ(meters.instant->window, 25 * kMillisecond);  // as an H100 has it
  EXPECT_EQ(meters.instant->dropouts, (std::vector<Interval>{{kSecond, 2 * kSecond}}));
}

TEST(Scenario, AProcessIsNamedByItsWayDownFromTheJob) {
  const auto pid_named = [](const std::string& name) {
    return parsed("[[gpu]]\nwatts = 1\n[[gpu.process]]\npid = " + name + "\n").gpus.at(0).processes.at(0).pid;
  };
  EXPECT_EQ(pid_named("\"job/2/1\"").path, (std::vector<std::size_t>{2, 1}));
  for (const char* name : {"job", "job-child", "job/1", "job/12/3"})
    EXPECT_EQ(name_of(pid_named("\"" + std::string{name} + "\"")), name);
  EXPECT_EQ(name_of(pid_named("4711")), "4711");
  for (const char* name : {"job/", "job/0", "job/x", "jobs/1", "/1", "child"})
    EXPECT_THAT(refusal("[[gpu]]\nwatts = 1\n[[gpu.process]]\npid = \"" + std::string{name} + "\"\n"),
                HasSubstr("pid: expected a number, \"job\""))
        << name;
}

TEST(Scenario, ARefusalNamesPlaceAndRemedy) {
  EXPECT_THAT(refusal("[[gpu]]\nname = \"x\"\n"), StartsWith("test.toml:1: a gpu needs its true power"));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = 100\nwats = 3\n"), StartsWith("test.toml:3: wats: no such key"));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = \"much\"\n"), StartsWith("test.toml:2: expected a shape"));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = { }\n"), HasSubstr("needs steps, lines, high"));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = { steps = [[1, 2], [1, 3]] }\n"), HasSubstr("in order of time"));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = 100\nidle_watts = 120\n"), StartsWith("test.toml:3: idle_watts: "));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = 100\n[[gpu.process]]\n"), HasSubstr("a process needs its pid"));
  EXPECT_THAT(refusal("[[gpu]]\nwatts = 1\n[[gpu.process]]\npid = 1\n[[gpu.process]]\npid = 2\n"),
              HasSubstr("more than 1"));
  EXPECT_THAT(refusal("[[defect]]\nkind = \"melts\"\n"), StartsWith("test.toml:2: kind: "));
  EXPECT_THAT(refusal("[[defect]]\nkind = \"answers\"\nstatus = \"no\"\n"), HasSubstr("gpu_is_lost"));
  EXPECT_THAT(refusal("[=\n"), StartsWith("test.toml:1: "));
  EXPECT_THAT(refusal("[node]\ncuda = \"12\"\n"), HasSubstr("\"12.4\""));
}

TEST(Scenario, AllThatComeWithTheLabAreSound) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator{EVERYWATT_SOURCE_DIR "/tests/lab/scenarios"}) {
    const auto scenario = read_scenario(entry.path());
    EXPECT_TRUE(scenario) << scenario.error().what;
    std::ifstream file{entry.path()};
    std::string first;
    std::getline(file, first);
    EXPECT_THAT(first, StartsWith("# ")) << entry.path();
    ++found;
  }
  EXPECT_GE(found, 15);
}

TEST(Truth, AContextAddsItsPowerWhileItLives) {
  const Scenario scenario = parsed(
      "[[gpu]]\nwatts = 100\ncontext_watts = 20\n"
      "[[gpu.process]]\npid = 1\nfrom_s = 1\nto_s = 3\nshare = 0.5\n"
      "[[gpu.process]]\npid = 2\nfrom_s = 2\nto_s = 4\nshare = 0.5\n");
  const auto truth = truth_of(scenario, 0, 10 * kSecond);
  EXPECT_NEAR(truth[0].total / joule, 1000 + 3 * 20, 1e-6);
  EXPECT_NEAR(truth[0].idle / joule, 1000, 1e-6);
  EXPECT_NEAR(truth[0].processes.at("1") / joule, 20 + 10, 1e-6);
  EXPECT_NEAR(truth[0].processes.at("2") / joule, 20 + 10, 1e-6);
}

TEST(Truth, ProcessesShareWhatIsAboveIdle) {
  const auto scenario = read_scenario(EVERYWATT_SOURCE_DIR "/tests/lab/scenarios/shared.toml");
  ASSERT_TRUE(scenario);
  const auto truth = truth_of(*scenario, 0, 8 * kSecond);
  EXPECT_NEAR(truth[0].total / joule, 4 * 420 + 4 * 300, 1e-6);
  EXPECT_NEAR(truth[0].busy / joule, 4 * 345 + 4 * 225, 1e-6);
  EXPECT_NEAR(truth[0].processes.at("job-child") / joule, 0.6 * (4 * 345 + 4 * 225), 1e-6);
  EXPECT_NEAR(truth[0].processes.at("4711") / joule, 0.4 * 4 * 345, 1e-6);
}

TEST(Truth, IdleIsTheFloorForTheTimeWithoutWork) {
  // 300 W at half load: 80 W of floor for half of the time, and 20 W of context with it.
  const Scenario scenario = parsed(
      "[[gpu]]\nwatts = 300\nidle_watts = 80\ncontext_watts = 20\nutilisation = 0.5\n[[gpu.process]]\npid = 1\n");
  const auto accounts = truth_of(scenario, 0, 10 * kSecond)[0].accounts;
  ASSERT_TRUE(accounts);
  EXPECT_NEAR(accounts->whole.idle / joule, 10 * 0.5 * (80 + 20), 1e-6);
  EXPECT_NEAR(accounts->whole.active / joule, 10 * (320 - 50), 1e-6);
  EXPECT_NEAR(accounts->processes.at("1").idle / joule, 500, 1e-6);
}

TEST(Truth, WhereNobodyWorksAllIsIdle) {
  const Scenario scenario = parsed(
      "[[gpu]]\nwatts = { low = 150, high = 550, period_s = 1 }\nidle_watts = 90\n"
      "utilisation = { low = 0, high = 1, period_s = 1 }\n");
  const auto accounts = truth_of(scenario, 0, 10 * kSecond)[0].accounts;
  EXPECT_NEAR(accounts->whole.idle / joule, 5 * 150, 1e-6);
  EXPECT_NEAR(accounts->whole.active / joule, 5 * 550, 1e-6);
  EXPECT_TRUE(accounts->processes.empty());
}

TEST(Truth, IdleGoesEvenlyToThoseThatHoldAContextAndWorkByShare) {
  const Scenario scenario = parsed(
      "[[gpu]]\nwatts = 200\nidle_watts = 100\nutilisation = 0.5\n"
      "[[gpu.process]]\npid = 1\nfrom_s = 1\nto_s = 3\nshare = 0.6\n"
      "[[gpu.process]]\npid = 2\nfrom_s = 2\nto_s = 4\nshare = 0.2\n");
  const auto accounts = truth_of(scenario, 0, 5 * kSecond)[0].accounts;
  EXPECT_NEAR(accounts->whole.idle / joule, 5 * 50, 1e-6);
  const auto& parts = accounts->processes;
  EXPECT_NEAR(parts.at("1").idle / joule, 50 + 25, 1e-6);
  EXPECT_NEAR(parts.at("2").idle / joule, 25 + 50, 1e-6);
  EXPECT_NEAR(parts.at("1").active / joule, 150 + 0.75 * 150, 1e-6);
  EXPECT_NEAR(parts.at("2").active / joule, 0.25 * 150 + 150, 1e-6);
}

TEST(Truth, IdleIsNeverMoreThanWhatWasDrawn) {
  const Scenario scenario = parsed(
      "[[gpu]]\nwatts = 100\nidle_watts = 100\ncontext_watts = 0\nutilisation = 0.1\n"
      "[[package]]\nwatts = 60\nidle_watts = 60\nutilisation = 0.25\ndram_watts = 8\n");
  const auto truth = truth_of(scenario, 0, 2 * kSecond);
  EXPECT_NEAR(truth[0].accounts->whole.idle / joule, 2 * 90, 1e-6);
  EXPECT_NEAR(truth[1].accounts->whole.idle / joule, 2 * 45, 1e-6);
  EXPECT_NEAR(truth[2].accounts->whole.idle / joule, 2 * 6, 1e-6);
}

TEST(Truth, AModuleHasNoAccountsOfItsOwn) {
  const auto truth =
      truth_of(parsed("[[gpu]]\nname = \"NVIDIA GH200 120GB\"\nwatts = 200\nmodule = { watts = 450 }\n"), 0, kSecond);
  EXPECT_EQ(truth[1].id, "module:" + truth[0].id.substr(4));
  EXPECT_FALSE(truth[1].accounts);
}

TEST(Truth, PackagesAndTheirMemoryAreDevices) {
  const Scenario scenario =
      parsed("[[package]]\nwatts = { low = 50, high = 150, period_s = 1 }\nidle_watts = 40\ndram_watts = 5\n");
  const auto truth = truth_of(scenario, 0, 2 * kSecond);
  ASSERT_EQ(truth.size(), 2u);
  EXPECT_EQ(truth[0].id, "package:0");
  EXPECT_NEAR(truth[0].total / joule, 200, 1e-6);
  EXPECT_NEAR(truth[0].busy / joule, 120, 1e-6);
  EXPECT_EQ(truth[1].id, "dram:0");
}

}  // namespace
}  // namespace everywatt::lab
