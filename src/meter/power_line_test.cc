#include "meter/power_line.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace everywatt {
namespace {

constexpr double kLeastRun = 0.0025;

double watts_at(double utilisation) { return 60 + 300 * utilisation; }

TEST(PowerLine, IsExactThroughExactPoints) {
  std::vector<PowerPoint> points;
  for (int i = 0; i <= 10; ++i) points.push_back({watts_at(i / 10.0), i / 10.0, 0.004});
  const auto line = fit_power_line(points, kLeastRun);
  ASSERT_TRUE(line);
  EXPECT_NEAR(line->floor, 60, 1e-6);
  EXPECT_NEAR(line->slope, 300, 1e-6);
}

TEST(PowerLine, AveragesWhatPercentsHide) {
  // The true utilisations are 0.361 and 0.475; each is told a little too low or too high, as it falls on the pieces.
  std::vector<PowerPoint> points;
  for (int i = 0; i < 30; ++i) {
    points.push_back({watts_at(0.361), i % 3 == 0 ? 0.363 : 0.360, 0.004});
    points.push_back({watts_at(0.475), i % 3 == 0 ? 0.473 : 0.476, 0.004});
  }
  const auto line = fit_power_line(points, kLeastRun);
  ASSERT_TRUE(line);
  EXPECT_NEAR(line->floor, 60, 0.3);
}

TEST(PowerLine, AThirdOfWildPointsDoesNotBendIt) {
  std::vector<PowerPoint> points;
  for (int i = 0; i < 60; ++i) {
    const double utilisation = 0.3 + 0.6 * (i % 20) / 20.0;
    points.push_back({i % 3 == 0 ? 3 * watts_at(utilisation) : watts_at(utilisation), utilisation, 0.004});
  }
  const auto line = fit_power_line(points, kLeastRun);
  ASSERT_TRUE(line);
  EXPECT_NEAR(line->floor, 60, 0.1);
}

TEST(PowerLine, FindsHowLateReadingsAreWhoseTimeIsNotKnown) {
  // A mean over a second while a pause comes and goes: the utilisation falls by 1 a second and rises again.
  constexpr double kLate = 0.04;
  std::vector<PowerPoint> points;
  for (int i = 0; i < 10; ++i) {
    const double told = 0.93 - i / 10.0;
    points.push_back({watts_at(told - kLate * -1), told, 0.006, -1});
    points.push_back({watts_at(told - kLate * 1), told, 0.006, 1});
    points.push_back({watts_at(1), 1, 0.004, 0});
  }
  for (PowerPoint& point : points) point.watts = std::min(point.watts, watts_at(1));
  const auto line = fit_power_line(points, kLeastRun);
  ASSERT_TRUE(line);
  EXPECT_NEAR(line->floor, 60, 1.5);
  EXPECT_NEAR(line->late, -kLate, 0.004);
}

TEST(PowerLine, SaysWhatItDoesNotKnow) {
  // Over utilisations that hardly differ: of 400 lines 95 in 100 lie within two standard uncertainties.
  std::mt19937_64 engine{1};
  int within = 0;
  constexpr int kLines = 400;
  for (int k = 0; k < kLines; ++k) {
    std::normal_distribution error{0.0, 0.004};
    std::vector<PowerPoint> points;
    for (int i = 0; i < 60; ++i) {
      const double utilisation = 0.5 + 0.08 * (i % 10) / 10.0;
      points.push_back({watts_at(utilisation), utilisation + error(engine), 0.004});
    }
    const auto line = fit_power_line(points, kLeastRun);
    ASSERT_TRUE(line);
    within += std::abs(line->floor - 60) < 2 * line->floor_error;
    EXPECT_LT(line->floor_error, 20);
  }
  EXPECT_GE(within, kLines * 88 / 100);
}

TEST(PowerLine, IsNoneWithoutWorkThatDiffersOrWherePowerFalls) {
  std::vector<PowerPoint> still, falling, few;
  for (int i = 0; i < 10; ++i) {
    still.push_back({300, 0.8, 0.004});
    falling.push_back({300 - 100 * i / 10.0, i / 10.0, 0.004});
    if (i < 5) few.push_back({watts_at(i / 10.0), i / 10.0, 0.004});
  }
  EXPECT_FALSE(fit_power_line(still, kLeastRun));
  EXPECT_FALSE(fit_power_line(falling, kLeastRun));
  EXPECT_FALSE(fit_power_line(few, kLeastRun));
}

}  // namespace
}  // namespace everywatt
