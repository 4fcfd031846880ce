// What a driver's calls cost, and how seldom those that cost much are made. Drivers spin while they wait for a GPU's
// firmware: reading the energy counter of an H100 took 3 ms of a CPU (docs/measurements), which ten times a second and
// for eight GPUs is a quarter of one. Here no kind of call takes more of a CPU than kShare, unless that would mean less
// than one a second.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace everywatt {

class Spacing {
 public:
  // With every reading.
  Spacing() = default;
  // Makes the call some times: the shortest is what it costs, the others were held up. One that hangs is not made
  // again.
  template <class Call>
  static Spacing measured(const Call& call) {
    Nanoseconds shortest = kSecond;
    for (int i = 0; i < kTries && (i == 0 || shortest < kHangs); ++i) {
      const auto begun = std::chrono::steady_clock::now();
      call();
      shortest = std::min<Nanoseconds>(shortest, (std::chrono::steady_clock::now() - begun).count());
    }
    return Spacing{shortest};
  }
  explicit Spacing(Nanoseconds cost)
      : cost_{cost}, ticks_{static_cast<std::uint64_t>(std::clamp<Nanoseconds>(divide_up(cost, kCheap), 1, kMost))} {}

  // The same, but with every `ticks`-th reading at most.
  [[nodiscard]] Spacing at_least(std::uint64_t ticks) const {
    Spacing seldomer = *this;
    seldomer.ticks_ = std::max(ticks_, ticks);
    return seldomer;
  }

  // Whether it is made at this tick of the loop's grid. `shift`: so that not all are made at the same one.
  [[nodiscard]] bool is_due(std::uint64_t tick, std::uint64_t shift) const { return (tick + shift) % ticks_ == 0; }
  [[nodiscard]] bool is_each() const { return ticks_ == 1; }
  [[nodiscard]] std::uint64_t ticks() const { return ticks_; }
  [[nodiscard]] Nanoseconds cost() const { return cost_; }
  [[nodiscard]] Nanoseconds length() const { return static_cast<Nanoseconds>(ticks_) * kTick; }

 private:
  static constexpr int kTries = 3;
  static constexpr Nanoseconds kHangs = 100 * kMillisecond;
  static constexpr double kShare = 0.003;
  static constexpr Nanoseconds kTick = 100 * kMillisecond;  // of the loop
  static constexpr auto kCheap = static_cast<Nanoseconds>(kShare * kTick);
  static constexpr Nanoseconds kMost = 10;
  static constexpr Nanoseconds divide_up(Nanoseconds value, Nanoseconds by) { return (value + by - 1) / by; }

  Nanoseconds cost_ = 0;
  std::uint64_t ticks_ = 1;
};

}  // namespace everywatt
