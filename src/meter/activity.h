// How much of a package's time anyone worked, from busy-time channels, and
// how much of it was the run's. The kernel counts in ticks of 10 ms and the
// run's CPU time is exact, so that in a short window the part may seem to
// exceed the whole: the excess is carried into the following windows, and over
// time nothing is counted twice.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace everywatt {

class Activity {
 public:
  explicit Activity(std::size_t cpus) : cpus_{cpus} {}

  // Cumulative nanoseconds of work summed over the package's CPUs.
  void take(Nanoseconds time, std::uint64_t worked);

  // What happened between two ticks of the sensor.
  struct Piece {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    Nanoseconds worked = 0;  // by anyone
    Nanoseconds ours = 0;    // by the run; filled in by who knows it
  };

  // What was read since the last call, with `ours` (the run's CPU time on this
  // package) as the least that was worked. Empty if nothing was read.
  std::vector<Piece> close(Nanoseconds ours);

  [[nodiscard]] Nanoseconds worked_since_close() const;
  [[nodiscard]] std::optional<Nanoseconds> last_time() const { return last_time_; }
  [[nodiscard]] std::size_t cpus() const { return cpus_; }

 private:
  std::size_t cpus_;
  std::optional<Nanoseconds> last_time_;
  std::uint64_t last_worked_ = 0;
  Nanoseconds debt_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace everywatt
