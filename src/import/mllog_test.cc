#include "import/mllog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "import/mllog_node.h"
#include "import/mllog_result.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

constexpr std::string_view kResult =
    "+ echo 'Beginning trial'\n"
    " 0: :::MLLOG {\"time_ms\": 90000, \"event_type\": \"POINT_IN_TIME\", \"key\": \"submission_benchmark\", "
    "\"value\": \"toy\"}\n"
    " 0: :::MLLOG {\"time_ms\": 90000, \"event_type\": \"POINT_IN_TIME\", \"key\": \"global_batch_size\", \"value\": "
    "64}\n"
    " 0: :::MLLOG {\"time_ms\": 100000, \"event_type\": \"INTERVAL_START\", \"key\": \"run_start\", \"value\": null}\n"
    " 0: :::MLLOG {\"time_ms\": 101000, \"event_type\": \"INTERVAL_START\", \"key\": \"block_start\", \"value\": "
    "null}\n"
    " 1: some other output\n"
    " 0: :::MLLOG {\"time_ms\": 104000, \"event_type\": \"INTERVAL_START\", \"key\": \"eval_start\", \"value\": null}\n"
    " 0: :::MLLOG {\"time_ms\": 105000, \"event_type\": \"POINT_IN_TIME\", \"key\": \"eval_accuracy\", \"value\": "
    "0.9}\n"
    " 0: :::MLLOG {\"time_ms\": 105000, \"event_type\": \"INTERVAL_END\", \"key\": \"eval_stop\", \"value\": null}\n"
    " 0: :::MLLOG {\"time_ms\": 109000, \"event_type\": \"INTERVAL_END\", \"key\": \"block_stop\", \"value\": null}\n"
    " 0: :::MLLOG {\"time_ms\": 110000, \"event_type\": \"INTERVAL_END\", \"key\": \"run_stop\", \"value\": 0.9, "
    "\"metadata\": "
    "{\"status\": \"success\"}}\n";

constexpr TimeSpan kRun{100 * kSecond, 110 * kSecond};

std::string reading(int milliseconds, std::string_view value) {
  return ":::MLLOG {\"namespace\": \"\", \"time_ms\": " + std::to_string(milliseconds) +
         ", \"event_type\": \"POINT_IN_TIME\", \"key\": \"power_reading\", \"value\": " + std::string{value} +
         ", \"metadata\": \"\"}\n";
}

// One reading every two seconds from before the run to behind it.
std::string steady_node(std::string_view watts) {
  std::string text;
  for (int time = 99000; time <= 111000; time += 2000) text += reading(time, watts);
  return text;
}

MllogFiles toy() {
  return {
      .folder = "toy", .result = {"result.txt", std::string{kResult}}, .nodes = {{"node_1.txt", steady_node("500")}}};
}

std::string without(std::string text, std::string_view word) {
  const auto at = text.find(word);
  const auto begin = text.rfind('\n', at) + 1;
  return text.erase(begin, text.find('\n', at) + 1 - begin);
}

TEST(Mllog, MakesOneFinishedRunWithItsNodesAndPhases) {
  const auto imported = parse_mllog_files(toy());
  ASSERT_TRUE(imported) << imported.error().what;
  EXPECT_EQ(imported->run.origin, "import");
  EXPECT_EQ(imported->run.status, RunStatus::finished);
  EXPECT_EQ(imported->run.boundary, "node");
  EXPECT_EQ(imported->run.model, "toy");
  EXPECT_EQ(imported->run.started.wall, kRun.begin);
  EXPECT_EQ(imported->run.ended->steady, kRun.end);
  EXPECT_EQ(imported->run.metrics.at("global_batch_size"), 64);
  EXPECT_EQ(imported->run.metrics.at("eval_accuracy"), 0.9);
  EXPECT_EQ(imported->run.tags.at("status"), "success");
  EXPECT_TRUE(imported->run.notices.empty());
  ASSERT_EQ(imported->devices.size(), 1u);
  const ImportedDevice& node = imported->devices[0];
  EXPECT_EQ(node.device.id, "node:node_1");
  EXPECT_TRUE(node.counted);
  EXPECT_EQ(node.method, Method::integrated);
  EXPECT_EQ(node.curve.between(kRun.begin, kRun.end), 5'000'000'000);
  EXPECT_EQ(node.uncertainty_systematic, 125'000'000);
  EXPECT_EQ(node.curve.observed(kRun.begin, kRun.end), kRun.length());
  ASSERT_EQ(imported->phases.size(), 2u);
  EXPECT_EQ(imported->phases[0].path, "block");
  EXPECT_EQ(imported->phases[1].path, "block/eval");
}

TEST(Mllog, ARunThatWasAbortedHasFailed) {
  MllogFiles files = toy();
  files.result.text.replace(files.result.text.find("success"), 7, "aborted");
  EXPECT_EQ(parse_mllog_files(files)->run.status, RunStatus::failed);
}

TEST(Mllog, ARunWithoutItsBeginOrEndIsRefusedByName) {
  MllogFiles files = toy();
  files.result.text = without(std::string{kResult}, "run_start");
  EXPECT_THAT(parse_mllog_files(files).error().what, HasSubstr("result.txt: no run_start record"));
  files.result.text = without(std::string{kResult}, "run_stop");
  EXPECT_THAT(parse_mllog_files(files).error().what, HasSubstr("result.txt: no run_stop record"));
  files.result.text = "";
  EXPECT_THAT(parse_mllog_files(files).error().what, HasSubstr("no run_start and no run_stop record"));
}

TEST(Mllog, ASecondRunInOneResultIsRefused) {
  MllogFiles files = toy();
  files.result.text +=
      "0: :::MLLOG {\"time_ms\": 200000, \"event_type\": \"INTERVAL_START\", \"key\": \"run_start\"}\n";
  EXPECT_THAT(parse_mllog_files(files).error().what,
              AllOf(HasSubstr("result.txt:12: a second run_start"), HasSubstr("result.txt:4")));
}

TEST(Mllog, ARunThatStopsBeforeItStartsIsRefused) {
  const auto result = parse_mllog_result("result.txt",
                                         ":::MLLOG {\"time_ms\": 5, \"key\": \"run_start\"}\n"
                                         ":::MLLOG {\"time_ms\": 5, \"key\": \"run_stop\"}\n");
  EXPECT_THAT(result.error().what, HasSubstr("result.txt:2: run_stop is not after run_start"));
}

TEST(Mllog, ABrokenRecordOfTheResultIsNamed) {
  MllogFiles files = toy();
  files.result.text += " 0: :::MLLOG {\"time_ms\": 1099, \"key\": \"eval_ac\n";
  EXPECT_THAT(parse_mllog_files(files)->run.notices,
              Contains(HasSubstr("result.txt: records left out: 1 line: 12 (no valid JSON)")));
}

TEST(Mllog, APhaseThatNeverEndsOrNeverBeganIsTold) {
  MllogFiles files = toy();
  files.result.text = without(files.result.text, "block_stop");
  files.result.text = without(files.result.text, "eval_start");
  const auto imported = parse_mllog_files(files);
  EXPECT_THAT(imported->run.notices, Contains(HasSubstr("phase block never ends")));
  EXPECT_THAT(imported->run.notices, Contains(HasSubstr("eval_stop without a begin")));
  ASSERT_EQ(imported->phases.size(), 1u);
  EXPECT_EQ(imported->phases[0].end, kRun.end);
}

TEST(Mllog, TheSystemsDescriptionIsTheEnvironment) {
  const auto result = parse_mllog_result(
      "result.txt",
      "+ echo ':::SYSJSON {\"submitter\":\"quoted\"}'\n"
      ":::SYSJSON {\"submitter\":\"ACME\",\"empty\":\"\",\"other_software_stack\":{\"cuda_version\":\"12.4\"}}\n" +
          std::string{kResult});
  EXPECT_EQ(result->environment, (std::map<std::string, std::string>{{"submitter", "ACME"}, {"cuda_version", "12.4"}}));
}

TEST(MllogNode, EveryLineThatShouldBeAReadingAndIsNotIsNamed) {
  const std::string text = steady_node("500") +                                    // 1 to 7
                           ":::MLLOG {\"time_ms\": 112000, \"key\": \"power_re\n"  // 8
                           + reading(112000, "null") + reading(112000, "\"500\"") + reading(112000, "-1") +
                           reading(112000, "true") + reading(112000, "1e12") +
                           ":::MLLOG {\"key\": \"power_reading\", \"value\": 500}\n"                  // 14
                           "power 500\n"                                                              // 15
                           ":::MLLOG {\"time_ms\": 1, \"key\": \"power_raeding\", \"value\": 500}\n"  // 16
                           "\n";
  const MllogNode node = parse_mllog_node("node_7.txt", text, kRun);
  EXPECT_EQ(node.readings.size(), 7u);
  EXPECT_THAT(node.device.flags, Contains("bad-lines"));
  ASSERT_EQ(node.notices.size(), 1u);
  EXPECT_THAT(node.notices[0],
              AllOf(HasSubstr("node_7.txt: 9 of 16 readings left out"), HasSubstr("8 (no valid JSON)"),
                    HasSubstr("9 (the value is missing)"), HasSubstr("10, 12 (the value is not a number)"),
                    HasSubstr("11 (the value is negative)"), HasSubstr("13 (the value is more than any meter reads)"),
                    HasSubstr("14 (time_ms is missing)"), HasSubstr("15 (no :::MLLOG record)"),
                    HasSubstr("16 (the key is not power_reading)")));
}

TEST(MllogNode, AFileWithoutAReadingIsADeviceWithoutAFigure) {
  const MllogNode node = parse_mllog_node("node_7.txt", reading(100000, "null"), kRun);
  EXPECT_TRUE(node.device.curve.empty());
  EXPECT_FALSE(node.device.method);
  EXPECT_EQ(node.device.reason, "no valid reading");
}

TEST(MllogNode, ASilenceIsBridgedFlaggedAndAGap) {
  const std::string text = reading(99000, "500") + reading(100000, "500") + reading(101000, "500") +
                           reading(102000, "500") + reading(109000, "500") + reading(110000, "500");
  const MllogNode node = parse_mllog_node("node_1.txt", text, kRun);
  EXPECT_THAT(node.device.flags, Contains("bridged-gap"));
  ASSERT_EQ(node.device.gaps.size(), 1u);
  EXPECT_EQ(node.device.gaps[0].started_wall, 102 * kSecond);
  EXPECT_EQ(node.device.gaps[0].length, 7 * kSecond);
  EXPECT_EQ(node.device.curve.between(kRun.begin, kRun.end), 5'000'000'000);
  EXPECT_THAT(node.notices, Contains(HasSubstr("node:node_1: 1 silence bridged, 7.000 s in all")));
}

TEST(MllogNode, DoubledAndUnorderedTimesAreTold) {
  const MllogNode node =
      parse_mllog_node("node_1.txt", reading(101000, "500") + reading(99000, "500") + steady_node("500"), kRun);
  EXPECT_THAT(node.device.flags, AllOf(Contains("duplicate-times"), Contains("out-of-order")));
  EXPECT_THAT(node.notices, Contains(HasSubstr("2 readings repeat the time of another")));
  EXPECT_THAT(node.notices, Contains(HasSubstr("2 readings came after a later one: sorted")));
  EXPECT_EQ(node.device.curve.between(kRun.begin, kRun.end), 5'000'000'000);
}

TEST(Mllog, EdgesThatNobodySawAreOneNoticeAndAGapEach) {
  MllogFiles files = toy();
  files.nodes[0].text =
      reading(101000, "500") + reading(103000, "500") + reading(105000, "500") + reading(107000, "500");
  const auto imported = parse_mllog_files(files);
  const ImportedDevice& node = imported->devices[0];
  EXPECT_EQ(node.curve.observed(kRun.begin, kRun.end), 6 * kSecond);
  EXPECT_EQ(node.curve.between(kRun.begin, kRun.end), 3'000'000'000);
  EXPECT_EQ(node.gaps.size(), 2u);
  EXPECT_THAT(imported->run.notices,
              Contains(HasSubstr("1 of 1 devices are not seen up to the edges of the run: 1.000 to "
                                 "3.000 s at an edge, 40.00 % of the time")));
}

TEST(Mllog, IdenticalNodesAreToldAndStillCounted) {
  MllogFiles files = toy();
  files.nodes.push_back({"node_2.txt", steady_node("501")});
  files.nodes.push_back({"node_3.txt", "\n" + steady_node("500")});
  const auto imported = parse_mllog_files(files);
  EXPECT_THAT(imported->run.notices,
              Contains(AllOf(HasSubstr("at most 2 of 3 meters"), HasSubstr("node:node_1 = node:node_3"))));
  EXPECT_THAT(imported->devices[2].flags, Contains("identical-to:node:node_1"));
  EXPECT_TRUE(imported->devices[2].counted);
}

TEST(Mllog, ASwitchIsAnAssumptionThatDoesNotCount) {
  MllogFiles files = toy();
  files.switches.push_back({"sw_0.txt",
                            ":::MLLOG {\"time_ms\": 1652749794206, \"event_type\": \"POINT_IN_TIME\", \"key\": "
                            "\"interconnect_power_est\", \"value\": 1000, \"metadata\": {\"switch_id\": \"sw_01\"}}\n"
                            "broken\n"});
  const auto imported = parse_mllog_files(files);
  ASSERT_EQ(imported->devices.size(), 2u);
  const ImportedDevice& device = imported->devices[1];
  EXPECT_EQ(device.device.id, "interconnect:sw_01");
  EXPECT_EQ(device.device.kind, DeviceKind::interconnect);
  EXPECT_EQ(device.method, Method::assumed);
  EXPECT_FALSE(device.counted);
  EXPECT_EQ(device.curve.between(kRun.begin, kRun.end), 10'000'000'000);
  EXPECT_THAT(imported->run.notices, Contains(HasSubstr("stamped 2022-05-17, outside the run")));
  EXPECT_THAT(imported->run.notices, Contains(HasSubstr("sw_0.txt: left out: 1 line: 2")));
}

TEST(Mllog, ThePublishedTotalStandsBesideOurs) {
  MllogFiles files = toy();
  files.total = {"total_power.txt", "Total Power Usage: 10.57 kWh\n"};
  const auto imported = parse_mllog_files(files);
  EXPECT_EQ(imported->run.metrics.at("published_kilowatt_hours"), 10.57);
  EXPECT_THAT(imported->run.notices,
              Contains(HasSubstr("published total 10.57 kWh by a rule the record does not state")));
  files.total->text = "about ten\n";
  EXPECT_THAT(parse_mllog_files(files)->run.notices, Contains(HasSubstr("total_power.txt: no line")));
}

TEST(Mllog, AFolderThatIsNoRecordIsRefusedWithWhatIsExpected) {
  const fs::path folder = fs::path{testing::TempDir()} / "everywatt-mllog";
  fs::remove_all(folder);
  EXPECT_THAT(import_mllog(folder).error().what, HasSubstr("No such file or directory"));
  fs::create_directories(folder);
  EXPECT_THAT(import_mllog(folder).error().what, HasSubstr("no result.txt"));
  std::ofstream{folder / "result_0.txt"} << "nothing\n";
  EXPECT_THAT(import_mllog(folder).error().what, HasSubstr("no node_*.txt"));
  std::ofstream{folder / "node_1.txt"} << steady_node("500");
  EXPECT_THAT(import_mllog(folder).error().what, HasSubstr("everywatt-mllog/result_0.txt: no run_start"));
  std::ofstream{folder / "result_0.txt"} << kResult;
  EXPECT_EQ(import_mllog(folder)->run.name, "everywatt-mllog");
  std::ofstream{folder / "result_1.txt"} << kResult;
  EXPECT_THAT(import_mllog(folder).error().what, HasSubstr("2 results"));
}

// The published record of one run of MLPerf Training v4.0.
class PublishedRecord : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path folder = fs::path{EVERYWATT_SOURCE_DIR} / "../shared/data/mlperf-power-run";
    if (!fs::exists(folder)) GTEST_SKIP() << "the record is not there: " << folder;
    auto result = import_mllog(folder);
    ASSERT_TRUE(result) << result.error().what;
    imported_ = *std::move(result);
  }
  Nanoseconds begin() const { return imported_.run.started.steady; }
  Nanoseconds end() const { return imported_.run.ended->steady; }
  Imported imported_;
};

TEST_F(PublishedRecord, SumsToTheTrapezoidOverSixtyFourNodes) {
  EXPECT_EQ(end() - begin(), 119'032 * kMillisecond);
  std::size_t nodes = 0;
  MicroJoules sum = 0;
  for (const ImportedDevice& device : imported_.devices) {
    if (!device.counted) continue;
    ++nodes;
    sum += device.curve.between(begin(), end());
  }
  EXPECT_EQ(nodes, 64u);
  EXPECT_NEAR(static_cast<double>(sum) / 3.6e12, 10.515, 0.005);
  // The same sum, computed once by other means: 37854305.3925 J.
  EXPECT_NEAR(static_cast<double>(sum) * 1e-6, 37854305.3925, 1e-3);
}

TEST_F(PublishedRecord, TellsItsGapsAndItsCopies) {
  std::size_t bridged = 0;
  std::size_t copies = 0;
  for (const ImportedDevice& device : imported_.devices) {
    for (const Gap& gap : device.gaps) bridged += gap.reason.starts_with("bridged") ? 1 : 0;
    copies += std::ranges::any_of(device.flags, [](auto& flag) { return flag.starts_with("identical-to:"); }) ? 1 : 0;
  }
  EXPECT_EQ(bridged, 12u);
  EXPECT_EQ(copies, 18u);
  EXPECT_THAT(imported_.run.notices, Contains(HasSubstr("64 of 64 devices are not seen up to the edges")));
  EXPECT_THAT(imported_.run.notices, Contains(HasSubstr("published total 10.57 kWh")));
}

TEST_F(PublishedRecord, KeepsTheSwitchApart) {
  const ImportedDevice& device = imported_.devices.back();
  EXPECT_EQ(device.device.id, "interconnect:sw_01");
  EXPECT_FALSE(device.counted);
  EXPECT_EQ(device.method, Method::assumed);
  EXPECT_NEAR(static_cast<double>(device.curve.between(begin(), end())) * 1e-6, 59570 * 119.032, 1e-3);
}

TEST_F(PublishedRecord, HasItsPhasesAndItsFigures) {
  EXPECT_EQ(std::ranges::count(imported_.phases, "block", &PhaseSpan::path), 8);
  EXPECT_EQ(std::ranges::count(imported_.phases, "eval", &PhaseSpan::path), 8);
  EXPECT_EQ(imported_.run.model, "llama2_70b_lora");
  EXPECT_EQ(imported_.run.metrics.at("global_batch_size"), 64);
  EXPECT_NEAR(imported_.run.metrics.at("eval_accuracy"), 0.92486, 1e-5);
  EXPECT_EQ(imported_.run.environment.at("accelerator_model_name"), "NVIDIA H100-SXM5-80GB");
}

}  // namespace
}  // namespace everywatt
