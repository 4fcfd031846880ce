#include "store/series_generators.h"

#include <functional>

namespace everywatt::testing {
namespace {

using Chance = std::mt19937_64;

std::string number_text(double number) {
  std::string text = std::to_string(number);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

std::vector<GeneratedSeries> generated_series(std::size_t count, double jitter, std::uint64_t seed) {
  Chance chance{seed};
  std::vector<GeneratedSeries> made;
  const auto n = static_cast<double>(count);
  // `value`: of point i at its time, from the value before it.
  const auto add = [&](std::string name, double bits_each,
                       const std::function<std::int64_t(std::size_t, Nanoseconds, std::int64_t)>& value) {
    const Ticks grid = ticks(count, jitter, chance);
    GeneratedSeries series{.name = std::move(name), .points = {}, .entropy_bits = grid.entropy_bits + n * bits_each};
    std::int64_t last = 0;
    for (std::size_t i = 0; i < count; ++i)
      series.points.push_back({grid.times[i], last = value(i, grid.times[i], last)});
    made.push_back(std::move(series));
  };
  add("constant", 0, [](auto...) { return 123'456'789; });
  for (const double sigma : {0.5, 1.0, 3.0, 10.0, 100.0, 1e3, 1e4, 1e5}) {
    RoundedNormal noise{4'200'000.37, sigma};
    add("noise, sigma " + number_text(sigma), noise.entropy(), [&](auto...) { return noise(chance); });
  }
  add("counter, constant rate", 0,
      [](std::size_t i, auto...) { return 77'000'000 + 12'345'678 * static_cast<std::int64_t>(i); });
  add("counter, fractional rate", 0,
      [](std::size_t i, auto...) { return static_cast<std::int64_t>(1e9 + 1234.567 * static_cast<double>(i)); });
  add("counter, rate by time", 0,
      [](std::size_t, Nanoseconds t, auto) { return static_cast<std::int64_t>(static_cast<double>(t) * 2.5e-2); });
  for (const double sigma : {1.0, 20.0}) {
    RoundedNormal off{0, sigma};
    add("counter, jitter " + number_text(sigma), off.entropy(),
        [&](std::size_t i, auto...) { return 5'000'000 * static_cast<std::int64_t>(i) + 1'000'000'000 + off(chance); });
  }
  for (const double sigma : {1.0, 100.0, 1e4, 1e5}) {
    RoundedNormal step{2'000'000, sigma};
    add("counter, noise on increments " + number_text(sigma), step.entropy(),
        [&](std::size_t, Nanoseconds, std::int64_t last) { return last + step(chance); });
  }
  for (const double sigma : {1.0, 50.0, 1e4}) {
    RoundedNormal step{0, sigma};
    add("random walk, step " + number_text(sigma), step.entropy(),
        [&](std::size_t, Nanoseconds, std::int64_t last) { return last + step(chance); });
  }
  return made;
}

}  // namespace everywatt::testing
