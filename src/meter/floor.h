// The floor: what a device draws when nobody works, in the state in which it works (of a GPU: a context is held and its
// clocks are up). Learnt while it is watched: the lower envelope over quiet stretches in that state, else the intercept
// of a robust line of power against utilisation; until then what earlier runs learnt, else the envelope of
// another state, else a prior.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "meter/power_line.h"

namespace everywatt {

enum class FloorMethod { envelope, regression, other_state, prior };  // best first
std::string_view to_string(FloorMethod);
std::optional<FloorMethod> parse_floor_method(std::string_view);

struct Floor {
  Power power = {};
  FloorMethod method = FloorMethod::prior;
  std::uint64_t windows = 0;  // observations behind it
};

// By the state in which a device is when nobody works: as it is when it works, or with its clocks lowered or nobody's
// context on it.
struct Floors {
  Power ready = {};
  Power resting = {};
};

class FloorLearner {
 public:
  // How long a stretch must be to be one observation: 10 ms ticks of /proc/stat are then 2 % of a CPU.
  static constexpr Nanoseconds kStretch = kSecond / 2;
  // `before`: what is known already; zero power: nothing. `whole`: a stretch so long that no error of a reading's time
  // matters.
  // `spread`: of utilisation that a line needs.
  // `most`: a power that a GPU cannot exceed; zero: not known, or no GPU.
  explicit FloorLearner(Floor before, Nanoseconds stretch = kStretch, Nanoseconds whole = kStretch, double spread = 0.2,
                        Power most = {})
      : before_{before}, stretch_{stretch}, whole_stretch_{whole}, spread_{spread}, most_{most} {}

  // One stretch of the device: energy, its length, its utilisation 0..1, and whether it was as it is when it works.
  enum class State { ready, resting };
  void observe(Energy energy, Nanoseconds length, double utilisation, State state = State::ready);
  // The same in parts, where they are told apart (meter/gpu_floor.h): quiet need not be of one piece then; what was
  // drawn at what utilisation (`tell` gives the PowerPoint, and is asked only where it is kept: to say how well it is
  // known takes work); and the least that was drawn in a whole stretch.
  void note_quiet(Energy energy, Nanoseconds length, State state);
  template <class Tell>
  void note_pair(double utilisation, State state, const Tell& tell) {
    if (state == State::resting && utilisation <= kQuietBelow) return;
    if (const auto place = place_for(utilisation)) put(*place, tell());
  }
  void note_pair(const PowerPoint& point, State state) {
    note_pair(point.utilisation, state, [&] { return point; });
  }
  void note_draw(Energy energy, Nanoseconds length, double utilisation, State state);
  // Quiet of less than it takes for an observation: better than none.
  void note_glimpse(Power power, State state) { (state == State::ready ? glimpse_ : resting_glimpse_) = power; }

  // Nothing is to come: now() is then by all that was told.
  void finish();

  // What the floor of a device is taken for of which only one draw is known:
  // all of it where nobody worked, half of it where all of it worked. Of a GPU that cannot exceed `most` what such GPUs
  // were seen to draw, where its work can have drawn the rest.
  static Power prior_below(Power draw, double utilisation, Power most = {});
  // The best that is known now; zero power: nothing is.
  [[nodiscard]] Floor now() const;
  // What was seen at rest, which no floor at work is below; none: it was not seen.
  [[nodiscard]] std::optional<Power> at_rest() const;

 private:
  static constexpr double kQuietBelow = 0.02;  // utilisation up to which a stretch counts as quiet
  [[nodiscard]] Floor best() const;
  [[nodiscard]] std::optional<Floor> envelope() const;
  [[nodiscard]] std::optional<Floor> regression() const;
  [[nodiscard]] std::optional<Floor> fit() const;
  static std::size_t bin_of(double utilisation);
  [[nodiscard]] std::optional<std::size_t> place_for(double utilisation);
  void put(std::size_t place, const PowerPoint& point);
  // Stretches of quiet that make observations, and the lowest of them.
  struct Quiet {
    double joules = 0;
    double seconds = 0;
    double lowest_watts = 0;
    std::uint64_t windows = 0;
    void add(double more_joules, double more_seconds);
    void interrupt() { joules = seconds = 0; }
  };

  Floor before_;
  Nanoseconds stretch_;
  Nanoseconds whole_stretch_;
  double spread_;
  Power most_;
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
    PowerPoint take();
  };
  void note_lowest(const PowerPoint& whole);
  Stretch short_;
  Stretch whole_;
  Quiet ready_;
  Quiet resting_;
  std::optional<Power> glimpse_;
  std::optional<Power> resting_glimpse_;
  std::optional<double> lowest_watts_ = {};
  std::optional<double> lowest_prior_watts_ = {};
  std::vector<PowerPoint> points_;          // a sample of them, from all that was seen of utilisation
  static constexpr std::size_t kBins = 16;  // of utilisation
  std::vector<std::uint8_t> bins_;          // of points_
  std::uint64_t seen_ = 0;
  std::array<std::uint64_t, kBins> seen_in_{};
  std::array<std::uint64_t, kBins> kept_in_{};
  mutable std::size_t fresh_ = 0;  // of points_, since the line was fitted
  mutable std::optional<Floor> fitted_ = {};
};

}  // namespace everywatt
