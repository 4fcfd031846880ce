// The floor: what a device draws when nobody works. Learnt while it is
// watched: the lower envelope over quiet stretches, else the intercept of a
// robust line of power against utilisation; until then what earlier runs
// learnt, else a prior.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/units.h"

namespace everywatt {

enum class FloorMethod { envelope, regression, prior };  // best first
std::string_view to_string(FloorMethod);
std::optional<FloorMethod> parse_floor_method(std::string_view);

struct Floor {
  Power power = {};
  FloorMethod method = FloorMethod::prior;
  std::uint64_t windows = 0;  // observations behind it
};

class FloorLearner {
 public:
  // How long a stretch must be to be one observation: 10 ms ticks of /proc/stat are then 2 % of a CPU.
  static constexpr Nanoseconds kStretch = kSecond / 2;
  // `before`: what is known already; zero power: nothing.
  explicit FloorLearner(Floor before, Nanoseconds stretch = kStretch) : before_{before}, stretch_{stretch} {}

  // One stretch of the device: energy, its length, and its utilisation 0..1.
  void observe(Energy energy, Nanoseconds length, double utilisation);

  // What the floor of a device is taken for of which only one draw is known:
  // all of it where nobody worked, half of it where all of it worked.
  static Power prior_below(Power draw, double utilisation);
  // The best that is known now; zero power: nothing is.
  [[nodiscard]] Floor now() const;

 private:
  struct Observation {
    double watts;
    double utilisation;
  };
  [[nodiscard]] Floor best() const;
  [[nodiscard]] std::optional<Floor> envelope() const;
  [[nodiscard]] std::optional<Floor> regression() const;
  [[nodiscard]] std::optional<Floor> fit() const;
  void keep(Observation observation);

  Floor before_;
  Nanoseconds stretch_;
  // Grows until it is long enough to be an observation.
  struct Stretch {
    double joules = 0;
    double seconds = 0;
    double busy_seconds = 0;
    void add(double more_joules, double more_seconds, double utilisation) {
      joules += more_joules;
      seconds += more_seconds;
      busy_seconds += utilisation * more_seconds;
    }
    Observation take();
  };
  void note_lowest(Observation observation);
  Stretch short_;
  Stretch whole_;
  double quiet_joules_ = 0;
  double quiet_seconds_ = 0;
  double lowest_quiet_watts_ = 0;
  std::optional<double> lowest_watts_ = {};
  std::optional<double> lowest_prior_watts_ = {};
  std::uint64_t quiet_windows_ = 0;
  std::vector<Observation> observations_;
  std::uint64_t seen_ = 0;
  mutable std::uint64_t fitted_at_ = 0;  // observations
  mutable std::optional<Floor> fitted_ = {};
};

}  // namespace everywatt
