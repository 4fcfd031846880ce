// The ranks of one job beside each other: how long each worked and waited in every step, and on whom it waited. A step
// is complete when all ranks have made it. What even the rank that waits least waits is the price of talking; what the
// others wait longer is caused by the one that worked longest. Who waits for its data waits for no rank: that is its
// work.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "model/mark.h"
#include "model/run.h"

namespace everywatt {

class RankWatch {
 public:
  // In the order of time within a thread. A process becomes a rank with its first step; it has the number that it or
  // its environment states, else its place in the order in which they came.
  void take(const Mark& mark);
  // All that was said up to now has been taken: marks of one process come together, before those of the next.
  void settle();
  void set_rank(const ProcessKey& process, int rank);

  // What each process was charged, and how much of that in its waits for other ranks.
  struct Charge {
    MicroJoules all = 0;
    MicroJoules waiting = 0;
  };
  // None while fewer than two ranks have made a step together. `now`: up to when they were charged.
  [[nodiscard]] std::vector<RankRecord> records(Nanoseconds now, const std::map<ProcessKey, Charge>& charges) const;

 private:
  struct Step {
    Nanoseconds begin = 0;
    Nanoseconds duration = 0;
    Nanoseconds waited = 0;
  };
  struct Rank {
    std::optional<int> stated = {};
    std::optional<Nanoseconds> step_began = {};       // none: no step yet
    Nanoseconds waited = 0;                           // in this step
    Nanoseconds waited_ever = 0;                      // before the first step and after the last, too
    std::map<std::uint64_t, Nanoseconds> waits = {};  // open ones, by span: when they began
    std::deque<Step> ahead = {};                      // steps that others have not made yet
    bool has_ended = false;
    [[nodiscard]] Nanoseconds open_wait(Nanoseconds now) const;
    // Of steps that all have made.
    std::uint64_t steps = 0;
    Step sum = {};
    std::vector<Nanoseconds> waited_on = {};  // beyond what all waited, by the place of the rank that caused it
    std::vector<float> lateness = {};         // behind the median of the others, in parts of that step; a sample of all
  };
  [[nodiscard]] std::size_t place_of(const ProcessKey& process);
  void end_step(Rank& rank, Nanoseconds time);
  void align(Nanoseconds time);
  void settle_step(const std::vector<std::size_t>& places);

  std::map<ProcessKey, std::size_t> places_;
  std::vector<ProcessKey> processes_;
  std::vector<Rank> ranks_;
};

}  // namespace everywatt
