#include "import/power_trace.h"

#include <gtest/gtest.h>

#include <random>

#include "import/line_findings.h"
#include "import/phase_tree.h"

namespace everywatt {
namespace {

constexpr MicroJoules kJoule = 1'000'000;

std::vector<PowerReading> every_second(std::initializer_list<double> watts, Nanoseconds from = 0) {
  std::vector<PowerReading> readings;
  for (const double value : watts) {
    readings.push_back({from, value * watt});
    from += kSecond;
  }
  return readings;
}

TEST(PowerTrace, IntegratesByTheTrapezoid) {
  const Trace trace = trace_power(every_second({100, 200, 100}), {0, 2 * kSecond});
  EXPECT_EQ(trace.total(), 300 * kJoule);
  EXPECT_TRUE(trace.silences.empty());
}

TEST(PowerTrace, InterpolatesPowerAtTheEdgesOfTheRun) {
  // From 0.5 s (150 W) to 1 s (200 W), then to 1.5 s (150 W): twice 87.5 J.
  const Trace trace = trace_power(every_second({100, 200, 100}), {kSecond / 2, 3 * kSecond / 2});
  EXPECT_EQ(trace.total(), 175 * kJoule);
  EXPECT_EQ(trace.curve.points().front().time, kSecond / 2);
  EXPECT_EQ(trace.curve.points().back().time, 3 * kSecond / 2);
}

TEST(PowerTrace, WhatTheReadingsDoNotReachIsUnseenAndBooksNothing) {
  const Trace trace = trace_power(every_second({100, 100, 100}, 3 * kSecond), {0, 10 * kSecond});
  EXPECT_EQ(trace.total(), 200 * kJoule);
  EXPECT_EQ(trace.curve.observed(0, 10 * kSecond), 2 * kSecond);
  ASSERT_EQ(trace.silences.size(), 2u);
  EXPECT_EQ(trace.silences[0].kind, Silence::Kind::before);
  EXPECT_EQ(trace.silences[0].span.length(), 3 * kSecond);
  EXPECT_EQ(trace.silences[1].kind, Silence::Kind::after);
  EXPECT_EQ(trace.silences[1].span.length(), 5 * kSecond);
}

TEST(PowerTrace, ASilenceIsBridgedAndCountsAsUnobserved) {
  auto readings = every_second({100, 100, 100});
  readings.push_back({12 * kSecond, 300.0 * watt});
  const Trace trace = trace_power(readings, {0, 12 * kSecond});
  EXPECT_EQ(trace.total(), 200 * kJoule + 2000 * kJoule);
  EXPECT_EQ(trace.curve.observed(0, 12 * kSecond), 2 * kSecond);
  ASSERT_EQ(trace.silences.size(), 1u);
  EXPECT_EQ(trace.silences[0].kind, Silence::Kind::bridged);
  EXPECT_EQ(trace.silences[0].span.begin, 2 * kSecond);
}

TEST(PowerTrace, FiveSecondsAreNoSilenceAndNeitherAreThreePeriods) {
  auto readings = every_second({100, 100, 100});
  readings.push_back({7 * kSecond, 100.0 * watt});
  EXPECT_TRUE(trace_power(readings, {0, 7 * kSecond}).silences.empty());
  std::vector<PowerReading> slow;
  for (const Nanoseconds time : {0, 10, 20, 50}) slow.push_back({time * kSecond, 100.0 * watt});
  EXPECT_TRUE(trace_power(slow, {0, 50 * kSecond}).silences.empty());
  slow.back().time += 1;
  EXPECT_EQ(trace_power(slow, {0, 50 * kSecond}).silences.size(), 1u);
}

TEST(PowerTrace, SortsWhatIsOutOfOrderAndAveragesWhatIsDoubled) {
  auto readings = every_second({100, 200, 100});
  std::swap(readings[0], readings[1]);
  readings.push_back({kSecond, 400.0 * watt});
  const Trace trace = trace_power(readings, {0, 2 * kSecond});
  EXPECT_EQ(trace.total(), 400 * kJoule);  // 100, 300, 100 W
  EXPECT_EQ(trace.out_of_order, 2u);
  EXPECT_EQ(trace.duplicates, 1u);
}

TEST(PowerTrace, WithoutTwoReadingsInReachThereIsNoCurveAndAReason) {
  EXPECT_EQ(trace_power({}, {0, kSecond}).reason, "no valid reading");
  EXPECT_EQ(trace_power(every_second({100}), {0, kSecond}).reason, "one reading only: energy needs two");
  const Trace elsewhere = trace_power(every_second({100, 100}, 5 * kSecond), {0, kSecond});
  EXPECT_EQ(elsewhere.reason, "no reading within reach of the run");
  EXPECT_TRUE(elsewhere.curve.empty());
}

TEST(PowerTrace, MoreEnergyThanALedgerHoldsIsRefused) {
  const Nanoseconds century = 3'000'000'000 * kSecond;
  const Trace trace = trace_power({{0, kMostPower}, {century, kMostPower}}, {0, century});
  EXPECT_TRUE(trace.curve.empty());
  EXPECT_TRUE(trace.reason);
}

TEST(PowerTrace, SamplingUncertaintyIsTheScatterOfSuchIntegrals) {
  // White noise of 50 W, read once a second for 20,000 s: the integral of n
  // independent readings scatters by 50 W x 1 s x sqrt(20,000) = 7071 J.
  std::mt19937_64 random{3};
  std::normal_distribution<double> noise{1000, 50};
  std::vector<PowerReading> readings;
  for (int i = 0; i <= 20'000; ++i) readings.push_back({i * kSecond, noise(random) * watt});
  const Trace trace = trace_power(readings, {0, 20'000 * kSecond});
  EXPECT_NEAR(static_cast<double>(trace.random) * 1e-6, 7071, 150);
}

TEST(PowerTrace, SteadyOrStraightPowerHasNoSamplingUncertainty) {
  EXPECT_EQ(trace_power(every_second({100, 100, 100, 100}), {0, 3 * kSecond}).random, 0);
  EXPECT_EQ(trace_power(every_second({100, 110, 120, 130}), {0, 3 * kSecond}).random, 0);
}

TEST(PowerTrace, ASilenceAddsTheSpreadOfAllReadingsOverItsLength) {
  auto readings = every_second({100, 200, 300, 400});
  readings.push_back({103 * kSecond, 250.0 * watt});
  const Trace trace = trace_power(readings, {0, 103 * kSecond});
  EXPECT_NEAR(static_cast<double>(trace.random) * 1e-6, 100 * 111.8, 10);  // standard deviation 111.8 W
}

TEST(PowerTrace, PartsOfARunSumToTheWhole) {
  std::mt19937_64 random{11};
  std::uniform_real_distribution<double> power{0, 7000};
  std::vector<PowerReading> readings;
  for (int i = 0; i <= 60; ++i)
    readings.push_back({2 * kSecond * i + static_cast<int>(random() % 1000), power(random) * watt});
  const TimeSpan run{777, 119 * kSecond};
  const EnergyCurve curve = trace_power(readings, run).curve;
  const Nanoseconds cut = 61 * kSecond + 12345;
  EXPECT_EQ(curve.between(run.begin, cut) + curve.between(cut, run.end), curve.between(run.begin, run.end));
}

TEST(CounterTrace, KeepsDifferencesAndBridgesSilences) {
  const Trace trace =
      trace_counter({{0, 100 * kJoule}, {kSecond, 150 * kJoule}, {20 * kSecond, 900 * kJoule}}, {0, 20 * kSecond});
  EXPECT_EQ(trace.total(), 800 * kJoule);
  EXPECT_EQ(trace.resolution, 50 * kJoule);
  EXPECT_EQ(trace.curve.observed(0, 20 * kSecond), 20 * kSecond);  // the median step is the longer one here
}

TEST(CounterTrace, AFallIsAResetAndBooksNothing) {
  const Trace trace = trace_counter(
      {{0, 100 * kJoule}, {kSecond, 150 * kJoule}, {2 * kSecond, 10 * kJoule}, {3 * kSecond, 30 * kJoule}},
      {0, 3 * kSecond});
  EXPECT_EQ(trace.total(), 70 * kJoule);
  ASSERT_EQ(trace.silences.size(), 1u);
  EXPECT_EQ(trace.silences[0].kind, Silence::Kind::reset);
}

TEST(PhaseTree, NestsByContainment) {
  std::vector<std::string> notices;
  const auto spans = nest({{"eval", {30, 40}}, {"epoch", {10, 50}}, {"epoch", {50, 60}}}, {0, 100}, notices);
  ASSERT_EQ(spans.size(), 3u);
  EXPECT_EQ(spans[0].path, "epoch");
  EXPECT_EQ(spans[1].path, "epoch/eval");
  EXPECT_EQ(spans[2].path, "epoch");
  EXPECT_TRUE(notices.empty());
}

TEST(PhaseTree, CutsWhatOutlivesItsPhaseAndLeavesOutWhatIsOutside) {
  std::vector<std::string> notices;
  const auto spans = nest({{"init", {0, 10}}, {"a", {10, 50}}, {"b", {40, 70}}, {"c", {60, 200}}}, {10, 100}, notices);
  ASSERT_EQ(spans.size(), 3u);
  EXPECT_EQ(spans[1].path, "a/b");
  EXPECT_EQ(spans[1].end, 50);
  EXPECT_EQ(spans[2].path, "c");
  EXPECT_EQ(spans[2].end, 100);
  EXPECT_EQ(notices.size(), 3u);
}

TEST(LineFindings, NamesEveryLineOnOneLine) {
  LineFindings findings;
  findings.add(3, "no valid JSON");
  findings.add(5, "the value is negative");
  findings.add(6, "the value is negative");
  findings.add(9, "the value is negative");
  EXPECT_EQ(findings.text(), "4 lines: 3 (no valid JSON), 5-6, 9 (the value is negative)");
}

}  // namespace
}  // namespace everywatt
