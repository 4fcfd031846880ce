#include "analysis/student.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace everywatt {
namespace {

constexpr double kTiny = 1e-300;
constexpr double kAccuracy = 1e-14;

// The continued fraction of the incomplete beta function (NIST DLMF 8.17.22), by Lentz's method.
double beta_fraction(double x, double a, double b) {
  const auto away_from_zero = [](double value) { return std::abs(value) < kTiny ? kTiny : value; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double value = d;
  for (int m = 1; m < 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      value *= c * d;
    }
    if (std::abs(c * d - 1) < kAccuracy) break;
  }
  return value;
}

// The regularised incomplete beta function (DLMF 8.17.2).
double beta_share(double x, double a, double b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  // The fraction converges on this side of the mean alone.
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
  return 1 - front * beta_fraction(1 - x, b, a) / b;
}

}  // namespace

double student_share_below(double t, double degrees) {
  // The same share either way; near 0 and far out it is exact in one of the two alone.
  const double whole = degrees + t * t;
  const double tail = t * t < degrees ? 0.5 - beta_share(t * t / whole, 0.5, degrees / 2) / 2
                                      : beta_share(degrees / whole, degrees / 2, 0.5) / 2;
  return t < 0 ? tail : 1 - tail;
}

double student_quantile(double share, double degrees) {
  assert(share > 0 && share < 1 && degrees > 0);
  double low = -1, high = 1;
  while (student_share_below(low, degrees) > share) low *= 2;
  while (student_share_below(high, degrees) < share) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-12 * std::max(1.0, std::abs(low)); ++i) {
    const double middle = (low + high) / 2;
    (student_share_below(middle, degrees) < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

double spread_bound(double degrees) {
  constexpr double kTenth = -1.2815515655446004;  // below which a tenth of the normal distribution lies
  const double part = 2 / (9 * degrees);
  return std::pow(1 - part + kTenth * std::sqrt(part), -1.5);
}

}  // namespace everywatt
