#include "export/mlflow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace everywatt {
namespace {

using Json = nlohmann::json;

Bill ten_joules() {
  Bill bill{.run = {.id = "abc", .status = RunStatus::finished}};
  bill.run.started = {.steady = 0, .wall = 1'700'000'000 * kSecond};
  bill.run.work = {{"tokens", 1000}, {"flops_bf16", 1e12}};
  bill.duration = 2 * kSecond + 500 * kMillisecond;
  bill.energy = {
      .measured = 16'000'000, .total = 10'000'000, .busy = 7'000'000, .idle = 3'000'000, .uncertainty = 500'000};
  bill.measured_fraction = 0.75;
  bill.devices = {{.record = {.device = {.id = "package:0", .kind = DeviceKind::package}, .method = Method::counter},
                   .energy = {.total = 8'000'000}},
                  {.record = {.device = {.id = "dram:0", .kind = DeviceKind::dram}, .method = Method::modelled},
                   .energy = {.total = 2'000'000}}};
  return bill;
}

double value_of(const std::vector<MlflowMetric>& metrics, const std::string& key) {
  const auto found = std::ranges::find(metrics, key, &MlflowMetric::key);
  EXPECT_NE(found, metrics.end()) << key;
  return found == metrics.end() ? -1 : found->value;
}

std::string value_of(const std::vector<MlflowTag>& tags, const std::string& key) {
  const auto found = std::ranges::find(tags, key, &MlflowTag::key);
  return found == tags.end() ? "" : found->value;
}

TEST(Mlflow, FinalFiguresAreTheBills) {
  const auto metrics = mlflow_final_metrics(ten_joules());
  EXPECT_EQ(value_of(metrics, "energy/total_joules"), 10);
  EXPECT_EQ(value_of(metrics, "energy/busy_joules"), 7);
  EXPECT_EQ(value_of(metrics, "energy/measured_joules"), 16);
  EXPECT_EQ(value_of(metrics, "energy/package_joules"), 8);
  EXPECT_EQ(value_of(metrics, "energy/dram_joules"), 2);
  EXPECT_EQ(value_of(metrics, "energy/duration_seconds"), 2.5);
  EXPECT_DOUBLE_EQ(value_of(metrics, "energy/total_kwh"), 10 / 3.6e6);
  EXPECT_EQ(value_of(metrics, "energy/joules_per_token"), 0.01);
  EXPECT_EQ(metrics.front().timestamp_ms, 1'700'000'002'500);
}

TEST(Mlflow, WhatIsNotKnownIsLeftOut) {
  Bill bill = ten_joules();
  bill.energy.idle.reset();
  EXPECT_EQ(std::ranges::count(mlflow_final_metrics(bill), "energy/idle_joules", &MlflowMetric::key), 0);
}

TEST(Mlflow, TheFinalStepIsNoLivePoints) {
  const auto live =
      mlflow_live_metrics({{.elapsed = 2 * kSecond, .total = 9'000'000, .power = {{DeviceKind::gpu, 300.0 * watt}}}},
                          ten_joules().run.started);
  EXPECT_EQ(value_of(live, "energy/total_joules"), 9);
  EXPECT_DOUBLE_EQ(value_of(live, "energy/gpu_watts"), 300);
  EXPECT_EQ(live.front().step, 2);
  EXPECT_EQ(live.front().timestamp_ms, 1'700'000'002'000);
  EXPECT_GT(mlflow_final_metrics(ten_joules()).front().step, live.front().step);
}

TEST(Mlflow, TagsSayWhatAFigureStandsOn) {
  const auto tags = mlflow_tags(ten_joules());
  EXPECT_EQ(value_of(tags, "everywatt.run_id"), "abc");
  EXPECT_EQ(value_of(tags, "everywatt.method"), "package:0 counter, dram:0 modelled");
  EXPECT_EQ(value_of(tags, "everywatt.boundary"), "components");
  EXPECT_EQ(value_of(tags, "everywatt.uncertainty_joules"), "0.5");
  EXPECT_EQ(value_of(tags, "everywatt.measured_fraction"), "0.75");
}

TEST(Mlflow, ATagIsCutToWhatOldServersTakeAndStaysText) {
  Bill bill = ten_joules();
  bill.devices[0].record.device.id = "x" + std::string(4990, '.') + "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9";
  const std::string method = value_of(mlflow_tags(bill), "everywatt.method");
  EXPECT_LE(method.size(), 5000U);
  EXPECT_GT(method.size(), 4990U);
  EXPECT_NO_THROW((void)Json(method).dump());  // which throws on half a character
}

TEST(Mlflow, KeysAreWhatEveryServerTakes) {
  EXPECT_EQ(mlflow_key("work/images_{seen}=%"), "work/images__seen___");
  EXPECT_EQ(mlflow_key("/a//../b"), "_a/_../b");
  EXPECT_EQ(mlflow_key("a/"), "a/_");
  EXPECT_EQ(mlflow_key(std::string(300, 'a')).size(), 250U);
}

TEST(Mlflow, BatchesKeepTheLimitsAndLoseNothing) {
  std::vector<MlflowMetric> metrics;
  for (int i = 0; i < 2345; ++i) metrics.push_back({std::string(250, 'k'), i + 0.5, 1'700'000'000'000 + i, i});
  const std::vector<MlflowTag> tags{{"everywatt.run_id", "abc"}};
  std::vector<std::int64_t> steps;
  std::size_t tags_seen = 0;
  for (const std::string& body : mlflow_batches("run", metrics, tags)) {
    EXPECT_LE(body.size(), 1'000'000U);
    const Json json = Json::parse(body);
    EXPECT_EQ(json["run_id"], "run");
    EXPECT_LE(json["metrics"].size() + json["tags"].size(), 1000U);
    for (const Json& metric : json["metrics"]) steps.push_back(metric["step"].get<std::int64_t>());
    tags_seen += json["tags"].size();
  }
  ASSERT_EQ(steps.size(), 2345U);
  EXPECT_TRUE(std::ranges::is_sorted(steps));
  EXPECT_EQ(steps.back(), 2344);
  EXPECT_EQ(tags_seen, 1U);
}

TEST(Mlflow, NothingToSayIsNoBatch) { EXPECT_TRUE(mlflow_batches("run", {}, {}).empty()); }

}  // namespace
}  // namespace everywatt
