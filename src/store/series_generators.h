// Series whose entropy is known, because we made them: what the codec is
// measured by, in its test and in its benchmark.
#pragma once
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "model/run.h"

namespace everywatt::testing {

struct GeneratedSeries {
  std::string name;
  std::vector<SeriesPoint> points;
  double entropy_bits = 0;  // of all points together, times and values
};

// A whole number from a normal distribution around `centre`, and the entropy of such a number.
class RoundedNormal {
 public:
  RoundedNormal(double centre, double sigma) : centre_{centre}, sigma_{sigma} {}
  template <class Chance>
  std::int64_t operator()(Chance& chance) {
    return sigma_ == 0 ? std::llround(centre_) : std::llround(std::normal_distribution{centre_, sigma_}(chance));
  }
  [[nodiscard]] double entropy() const {
    if (sigma_ == 0) return 0;
    if (sigma_ > 1000) return std::log2(sigma_ * std::sqrt(2 * M_PI * M_E));
    double bits = 0;
    const auto middle = std::llround(centre_), reach = std::llround(10 * sigma_) + 2;
    const auto below = [&](double x) { return 0.5 * std::erfc((centre_ - x) / (sigma_ * M_SQRT2)); };
    for (auto k = middle - reach; k <= middle + reach; ++k) {
      const auto at = static_cast<double>(k);
      const double chance = below(at + 0.5) - below(at - 0.5);
      if (chance > 0) bits -= chance * std::log2(chance);
    }
    return bits;
  }

 private:
  double centre_;
  double sigma_;
};

// The times of a series: a grid of 100 ms, each tick late by what chance says.
struct Ticks {
  std::vector<Nanoseconds> times;
  double entropy_bits = 0;
};
template <class Chance>
Ticks ticks(std::size_t count, double jitter, Chance& chance) {
  RoundedNormal late{60'000, jitter};
  Ticks made;
  for (std::size_t i = 0; i < count; ++i) {
    made.times.push_back(3'600 * kSecond + static_cast<Nanoseconds>(i) * 100 * kMillisecond + late(chance));
  }
  made.entropy_bits = static_cast<double>(count) * late.entropy();
  return made;
}

// Every kind the codec is held to, `count` points each, over times of this jitter (ns).
std::vector<GeneratedSeries> generated_series(std::size_t count, double jitter, std::uint64_t seed);

}  // namespace everywatt::testing
