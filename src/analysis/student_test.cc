#include "analysis/student.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace everywatt {
namespace {

// In closed form: one degree of freedom is Cauchy's distribution, two have a root.
TEST(Student, AgreesWithItsClosedForms) {
  for (const double t : {-30.0, -2.0, -0.1, 0.0, 0.7, 3.0, 100.0}) {
    EXPECT_NEAR(student_share_below(t, 1), 0.5 + std::atan(t) / std::numbers::pi, 1e-12) << t;
    EXPECT_NEAR(student_share_below(t, 2), 0.5 + t / (2 * std::sqrt(2 + t * t)), 1e-12) << t;
  }
}

TEST(Student, OfManyDegreesIsTheNormalDistribution) { EXPECT_NEAR(student_quantile(0.975, 1e7), 1.959964, 1e-5); }

TEST(Student, AQuantileIsWhereItsShareLies) {
  for (const double degrees : {1.0, 2.4, 4.0, 17.3, 200.0}) {
    for (const double share : {0.0125, 0.1, 0.5, 0.9, 0.9875})
      EXPECT_NEAR(student_share_below(student_quantile(share, degrees), degrees), share, 1e-10);
  }
}

// Of two degrees, chi-squared is an exponential: a tenth lies below -2 ln 0.9.
TEST(Student, TheTrueSpreadIsSeldomAboveItsBound) {
  EXPECT_NEAR(spread_bound(2), std::sqrt(2 / (-2 * std::log(0.9))), 0.15);
  EXPECT_GE(spread_bound(2), std::sqrt(2 / (-2 * std::log(0.9))));
  EXPECT_GT(spread_bound(3), spread_bound(9));
  EXPECT_NEAR(spread_bound(1e6), 1, 0.01);
}

}  // namespace
}  // namespace everywatt
