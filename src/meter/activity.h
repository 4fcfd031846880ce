// How much of a package's time anyone worked, from busy-time channels, and
// how much of it was the run's. The kernel counts in ticks of 10 ms and the
// run's CPU time is exact, so that in a short window the part may seem to
// exceed the whole. A run that is alone then knows better than the kernel: what
// it worked beyond the reading is owed to the following windows. Where several
// share the host, all must take the same whole: what the kernel has not shown
// waits for a window in which it does. Over time nothing is counted twice.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "meter/tenancy.h"

namespace everywatt {

class Activity {
 public:
  explicit Activity(std::size_t cpus) : cpus_{cpus} {}

  // Cumulative nanoseconds of work summed over the package's CPUs.
  void take(Nanoseconds time, std::uint64_t worked);
  // The same, as another run read it at a time between two readings of ours.
  void take_between(Nanoseconds time, std::uint64_t worked);

  // What happened between two readings.
  struct Piece {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    Nanoseconds worked = 0;  // by anyone
    Nanoseconds ours = 0;    // by the run
    bool is_told = true;     // else `worked` is not known (a GPU whose driver does not say)
    // Of a GPU.
    IdleShare held = {};   // whose contexts were there
    bool is_ready = true;  // a context was held and clocks were up, as when it works
    Nanoseconds blur = 0;  // how far the work may lie from where it is put
    // Of a sum over a window: of its idle time, what was spent not ready.
    Nanoseconds rested = 0;
  };

  // What was read since the last call, with the part of `ours` (the run's CPU
  // time on this package) that belongs there: when `ours_within` says, or as soon
  // after as the readings show it. Empty if nothing was read.
  std::vector<Piece> close(Nanoseconds ours, Company company,
                           const std::function<Nanoseconds(const Piece&)>& ours_within);

  [[nodiscard]] Nanoseconds worked_since_close() const {
    return readings_.empty() ? 0 : static_cast<Nanoseconds>(readings_.back().worked - readings_.front().worked);
  }
  [[nodiscard]] std::optional<Nanoseconds> last_time() const {
    return readings_.empty() ? std::nullopt : std::optional{readings_.back().time};
  }
  [[nodiscard]] std::uint64_t last_worked() const { return readings_.empty() ? 0 : readings_.back().worked; }
  [[nodiscard]] std::size_t cpus() const { return cpus_; }

 private:
  struct Reading {
    Nanoseconds time;
    std::uint64_t worked;
  };
  std::vector<Piece> take_pieces();
  void pay_back(std::vector<Piece>& pieces);
  void grant(std::vector<Piece>& pieces, Nanoseconds ours);

  std::size_t cpus_;
  std::vector<Reading> readings_;  // since the last close, where that stopped included
  Nanoseconds owed_ = 0;           // granted beyond the readings
  Nanoseconds waiting_ = 0;        // ours that the readings have not shown
};

}  // namespace everywatt
