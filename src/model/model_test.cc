#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>

#include "model/counter.h"
#include "model/curve_fit.h"
#include "model/device.h"
#include "model/energy_curve.h"
#include "model/line_fit.h"
#include "model/microjoules.h"
#include "model/run.h"

namespace everywatt {
namespace {

using Kind = CounterStep::Kind;

constexpr double kMicrojoulesPerSecondAt500W = 500e6;

TEST(Counter, TheFirstReadingIsOnlyAMark) {
  Counter counter{262143328850, kMicrojoulesPerSecondAt500W};
  EXPECT_EQ(counter.next(kSecond, 5).kind, Kind::first);
}

TEST(Counter, CountsAcrossTheWrap) {
  Counter counter{262143328850, kMicrojoulesPerSecondAt500W};
  (void)counter.next(kSecond, 262143328000);
  const auto step = counter.next(kSecond + 100 * kMillisecond, 149);
  EXPECT_EQ(step.kind, Kind::wrap);
  EXPECT_EQ(step.delta, 1000u);
}

TEST(Counter, AFallThatNoPowerExplainsIsAResetAndBooksNothing) {
  Counter counter{262143328850, kMicrojoulesPerSecondAt500W};
  (void)counter.next(kSecond, 240422366267);
  const auto step = counter.next(kSecond + 100 * kMillisecond, 1000);
  EXPECT_EQ(step.kind, Kind::reset);
  EXPECT_EQ(step.delta, 0u);
  EXPECT_EQ(counter.next(kSecond + 200 * kMillisecond, 5001000).delta, 5000000u);
}

TEST(Counter, ALeapThatNoPowerExplainsIsAResetToo) {
  Counter counter{std::nullopt, kMicrojoulesPerSecondAt500W};
  (void)counter.next(kSecond, 100);
  EXPECT_EQ(counter.next(kSecond + 100 * kMillisecond, 1'000'000'000'000).kind, Kind::reset);
}

TEST(Counter, ASilenceLongEnoughForAWholeTurnIsAmbiguous) {
  Counter counter{262143328850, kMicrojoulesPerSecondAt500W};
  (void)counter.next(0, 100);
  const auto step = counter.next(1000 * kSecond, 200);
  EXPECT_EQ(step.kind, Kind::ambiguous);
  EXPECT_EQ(step.delta, 100u);
}

TEST(EnergyCurve, DifferencesTelescopeOverRandomCuts) {
  std::mt19937_64 random{7};
  EnergyCurve curve;
  Nanoseconds time = 0;
  MicroJoules total = 0;
  for (int i = 0; i < 200; ++i) {
    time += 1 + static_cast<Nanoseconds>(random() % kSecond);
    total += static_cast<MicroJoules>(random() % 50'000'000);
    curve.append(time, total);
  }
  for (int round = 0; round < 1000; ++round) {
    const auto cut = [&] { return static_cast<Nanoseconds>(random() % static_cast<std::uint64_t>(time)); };
    Nanoseconds a = cut(), b = cut(), c = cut();
    if (a > b) std::swap(a, b);
    if (b > c) std::swap(b, c);
    if (a > b) std::swap(a, b);
    EXPECT_EQ(curve.between(a, b) + curve.between(b, c), curve.between(a, c));
    EXPECT_GE(curve.between(a, b), 0);
  }
}

TEST(EnergyCurve, ForgettingKeepsWhatComesAfter) {
  EnergyCurve curve;
  for (int i = 0; i < 10; ++i) curve.append(i * 100 + 1, i * 1000);
  const MicroJoules before = curve.between(455, 777);
  curve.forget_before(455);
  EXPECT_EQ(curve.between(455, 777), before);
  EXPECT_EQ(curve.points().front().time, 401);
}

TEST(EnergyCurve, OnlyObservedPiecesCountAsSeen) {
  EnergyCurve curve;
  curve.append(100, 0);
  curve.append(200, 10);
  curve.append(300, 20, Sight::unseen);
  curve.append(400, 30);
  EXPECT_EQ(curve.observed(0, 500), 200);
  EXPECT_EQ(curve.observed(150, 350), 100);
  EXPECT_EQ(curve.observed(0, 50), 0);
}

TEST(Split, PartsSumToTheWholeWhateverTheWeights) {
  std::mt19937_64 random{11};
  for (int round = 0; round < 1000; ++round) {
    std::vector<std::uint64_t> weights(1 + random() % 9);
    for (auto& weight : weights) weight = random() % 4 ? random() % 1'000'000'000 : 0;
    const auto total = static_cast<MicroJoules>(random() % 1'000'000'000'000);
    const auto parts = split(total, weights);
    MicroJoules sum = 0;
    bool any = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      sum += parts[i];
      any |= weights[i] > 0;
      if (weights[i] == 0) {
        EXPECT_EQ(parts[i], 0);
      }
    }
    EXPECT_EQ(sum, any ? total : 0);
  }
}

TEST(Split, OfEqualRemaindersTheFirstWins) {
  EXPECT_EQ(split(10, std::vector<std::uint64_t>{1, 1, 1}), (std::vector<MicroJoules>{4, 3, 3}));
}

TEST(PowerModel, IsLinearBetweenItsPoints) {
  const PowerModel model{.points = {{0.0, 12.0 * watt}, {0.5, 75.0 * watt}, {1.0, 102.0 * watt}}};
  EXPECT_DOUBLE_EQ(model.at(0) / watt, 12);
  EXPECT_DOUBLE_EQ(model.at(0.25) / watt, 43.5);
  EXPECT_DOUBLE_EQ(model.at(2) / watt, 102);
}

TEST(LineFit, FindsTheLineAndSaysHowGoodItIs) {
  std::vector<FitPoint> points;
  for (int i = 0; i < 20; ++i) points.push_back({i * 10.0, 0.95 * i * 10.0 + 5});
  const auto fit = fit_line(points);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->slope, 0.95, 1e-9);
  EXPECT_NEAR(fit->intercept, 5, 1e-9);
  EXPECT_NEAR(fit->r_squared, 1, 1e-9);
  EXPECT_FALSE(fit_line(std::vector<FitPoint>(5, {3, 4})));
}

TEST(LineFit, SaysHowFarOffTheLineIsWhereNoPointWasSeen) {
  std::mt19937_64 random{5};
  std::normal_distribution<double> noise{0, 8};
  const auto fit_between = [&](double low, double high) {
    std::vector<FitPoint> points;
    for (int i = 0; i < 14; ++i) points.push_back({low + (high - low) * (i % 4) / 3, 0});
    for (FitPoint& point : points) point.y = point.x + noise(random);
    return *fit_line(points);
  };
  for (const auto& [low, high] : {std::pair{80.0, 650.0}, std::pair{396.0, 408.0}}) {
    constexpr int kFits = 2000;
    double squares = 0, said = 0;
    for (int i = 0; i < kFits; ++i) {
      const LineFit fit = fit_between(low, high);
      const double off = fit.intercept + fit.slope * 70 - 70;
      squares += off * off / kFits;
      said += fit.error_at(70) * fit.error_at(70) / kFits;
    }
    // Student's t for the residual of twelve degrees of freedom widens it by 10 %.
    EXPECT_NEAR(std::sqrt(said / squares), 1.1, 0.07) << low;
    EXPECT_NEAR(std::sqrt(squares), low < 100 ? 3.46 : 160, low < 100 ? 0.3 : 12);
  }
  const std::vector<FitPoint> four{{0, 0}, {1, 1}, {2, 2}, {3, 3}};
  EXPECT_TRUE(std::isinf(fit_line(four)->error_at(2))) << "too few";
}

// Where high and low seconds alternate, a shift of the clocks makes the line flatter or steeper.
TEST(CurveFit, CountsWhatTheClocksLeaveOpenIntoTheErrorOfTheLine) {
  constexpr std::array kWatts = {80, 400, 160, 300, 240, 360, 120, 420};
  constexpr int kFits = 100;
  std::mt19937_64 random{3};
  std::normal_distribution<double> noise{0, 4};
  double in_errors = 0;
  for (int i = 0; i < kFits; ++i) {
    EnergyCurve sensor, trusted;
    double read = 0, true_joules = 0, watts = 0;
    for (int tenth = 0; tenth <= 160; ++tenth) {
      const Nanoseconds now = tenth * kSecond / 10;
      sensor.append(now, std::llround(read * 1e6));
      trusted.append(now, std::llround(true_joules * 1e6));
      const double drawn = kWatts[static_cast<std::size_t>(tenth / 10) % kWatts.size()];
      if (tenth % 10 == 0) watts = drawn + noise(random);
      read += (0.95 * drawn + 5) / 10;
      true_joules += watts / 10;
    }
    const auto fit = fit_curves(sensor, trusted);
    ASSERT_TRUE(fit);
    const double off = fit->line.at(40) - (40 - 5) / 0.95;
    in_errors += off * off / (fit->error_at(40) * fit->error_at(40)) / kFits;
  }
  EXPECT_LT(std::sqrt(in_errors), 1.4);
}

TEST(Names, ReadBackWhatTheyWrite) {
  EXPECT_EQ(parse_device_kind(to_string(DeviceKind::rest_of_node)), DeviceKind::rest_of_node);
  EXPECT_EQ(parse_method("modelled"), Method::modelled);
  EXPECT_EQ(parse_run_status("lost"), RunStatus::lost);
  EXPECT_EQ(parse_run_status("gone"), std::nullopt);
}

// A load of steps, as a sensor with gain 0.95 and 5 W too much saw it and as a meter did, whose clock is `late`.
std::optional<CurveFit> fit_of_steps(Nanoseconds late) {
  EnergyCurve sensor, meter;
  MicroJoules read = 0, drawn = 0;
  sensor.append(0, 0);
  meter.append(late, 0);
  for (int tenth = 0; tenth < 200; ++tenth) {
    const MicroJoules watts = 150 + 90 * (tenth / 7 % 4);
    read += (95 * watts + 500) * 1000;
    drawn += watts * 100'000;
    sensor.append((tenth + 1) * kSecond / 10, read);
    meter.append((tenth + 1) * kSecond / 10 + late, drawn);
  }
  return fit_curves(sensor, meter);
}

TEST(CurveFit, FindsGainAndOffsetThoughTheClocksDiffer) {
  for (const Nanoseconds late : {0, 25, -130, 1700}) {
    const auto fit = fit_of_steps(late * kMillisecond);
    ASSERT_TRUE(fit);
    EXPECT_NEAR(fit->line.slope, 1 / 0.95, 0.003) << late;
    EXPECT_NEAR(fit->line.intercept, -5 / 0.95, 1) << late;
    EXPECT_NEAR(static_cast<double>(fit->late), static_cast<double>(late * kMillisecond), 6e6) << late;
  }
}

// A busy machine comes late to its readings: between them nothing is known but the sum.
TEST(CurveFit, ComparesWhatLiesBetweenReadings) {
  constexpr std::array<Nanoseconds, 8> kTenthsBetween = {1, 1, 7, 1, 4, 9, 2, 12};
  EnergyCurve sensor, meter;
  const auto drawn_by = [](Nanoseconds tenth) {
    MicroJoules drawn = 0;
    for (Nanoseconds one = 0; one < tenth; ++one) drawn += (150 + 90 * (one / 10 % 4)) * 100'000;
    return drawn;
  };
  Nanoseconds tenth = 3;
  for (std::size_t reading = 0; tenth < 200; tenth += kTenthsBetween[reading++ % kTenthsBetween.size()])
    sensor.append(tenth * kSecond / 10, drawn_by(tenth) * 95 / 100 + tenth * 500'000);
  for (Nanoseconds one = 0; one <= 200; ++one) meter.append(one * kSecond / 10, drawn_by(one));
  const auto fit = fit_curves(sensor, meter);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->line.slope, 1 / 0.95, 1e-6);
  EXPECT_NEAR(fit->line.intercept, -5 / 0.95, 1e-3);
  EXPECT_LT(fit->error_watts(700), 1);
  EXPECT_EQ(fit->late, 0);
  EXPECT_NEAR(static_cast<double>(fit->compared), 19e9, 1e9);
}

TEST(CurveFit, LeavesTheClocksAloneWhereTheyCannotBeTold) {
  EnergyCurve sensor, meter;
  for (int second = 0; second <= 20; ++second) {
    sensor.append(second * kSecond, MicroJoules{second} * second * 1'000'000);  // power that only rises
    meter.append(second * kSecond, MicroJoules{second} * second * 1'100'000);
  }
  EXPECT_EQ(fit_curves(sensor, meter)->late, 0);
  EXPECT_NEAR(fit_curves(sensor, meter)->line.slope, 1.1, 1e-6);
  EXPECT_FALSE(fit_curves(sensor, EnergyCurve{}));
}

TEST(CurveFit, LeavesOutWhatTheSensorDidNotSee) {
  EnergyCurve sensor, meter;
  MicroJoules read = 0, drawn = 0;
  for (int second = 0; second <= 20; ++second) {
    const bool is_lost = second > 8 && second <= 12;
    sensor.append(second * kSecond, read, is_lost ? Sight::unseen : Sight::observed);
    meter.append(second * kSecond, drawn);
    const MicroJoules watts = 150 + 90 * (second * 3 % 4);
    drawn += watts * 1'000'000;
    if (second < 8 || second >= 12) read += (95 * watts + 500) * 10'000;
  }
  const auto fit = fit_curves(sensor, meter);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->line.slope, 1 / 0.95, 1e-6);
  EXPECT_EQ(fit->compared, 16 * kSecond);
}

// Steps that rise: two seconds off, what is left of seven pieces lies on another line.
TEST(CurveFit, DoesNotFindAShiftInAFewPieces) {
  std::mt19937_64 random{5};
  std::normal_distribution<double> noise{0, 1};
  for (int i = 0; i < 50; ++i) {
    EnergyCurve sensor, meter;
    double read = 0, drawn = 0;
    for (int piece = 0; piece <= 7; ++piece) {
      sensor.append(piece * kSecond, std::llround(read * 1e6));
      meter.append(piece * kSecond, std::llround(drawn * 1e6));
      const double watts = 150 + 90 * (piece / 2 % 4);
      read += 0.95 * watts + 5 + noise(random);
      drawn += watts;
    }
    const auto fit = fit_curves(sensor, meter);
    ASSERT_TRUE(fit);
    EXPECT_LE(std::abs(fit->late), 50 * kMillisecond);
    EXPECT_NEAR(fit->line.slope, 1 / 0.95, 0.05);
  }
}

}  // namespace
}  // namespace everywatt
