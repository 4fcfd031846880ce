// What a GPU's driver told of its work, piece by piece, and how much of it was done before any moment. Where within a
// piece work lay is not told; what touches the piece often says it: between work and quiet one ends and the other
// begins.
#pragma once
#include <cstddef>
#include <vector>

#include "meter/activity.h"

namespace everywatt {

class ToldWork {
 public:
  struct Told {
    Activity::Piece piece;
    double worked_before = 0;  // nanoseconds since the first
  };

  // False: it does not follow on what was told before, which is forgotten, or tells nothing.
  bool take(const Activity::Piece& piece);
  void forget_before(Nanoseconds time);

  [[nodiscard]] bool empty() const { return told_.empty(); }
  [[nodiscard]] Nanoseconds begin() const { return told_.front().piece.begin; }
  [[nodiscard]] Nanoseconds end() const { return told_.back().piece.end; }
  [[nodiscard]] const Activity::Piece& last() const { return told_.back().piece; }
  [[nodiscard]] const std::vector<Told>& all() const { return told_; }

  // Nobody worked, as far as is told.
  [[nodiscard]] bool is_quiet(Nanoseconds from, Nanoseconds to) const;
  // A context was held and clocks were up, all the time.
  [[nodiscard]] bool is_ready(Nanoseconds from, Nanoseconds to) const;

  struct Part {
    double worked = 0;  // nanoseconds since what was told first
    double doubt = 0;   // by how many that may be off
  };
  // Of one piece at least.
  [[nodiscard]] Part until(Nanoseconds time) const;

 private:
  enum class Touch { nothing, quiet, work, both };
  [[nodiscard]] Touch touch(std::ptrdiff_t place) const;
  [[nodiscard]] Touch touched_by(std::ptrdiff_t place, std::ptrdiff_t step) const;

  std::vector<Told> told_;  // some dozens
};

}  // namespace everywatt
