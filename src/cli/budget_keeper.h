// What follows when a run uses up its budget: a notice at four fifths; at the whole a notice or, where it was asked
// for, SIGTERM to every process of the run, once. One that goes on is never killed: after the grace that is told, and
// that is all.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "analysis/budget.h"
#include "base/clock.h"
#include "job/job.h"

namespace everywatt {

struct BudgetPlan {
  enum class Action { warn, stop };
  Budget budget = {};
  Action action = Action::stop;
  Nanoseconds grace = 30 * kSecond;
};

class BudgetKeeper {
 public:
  explicit BudgetKeeper(const BudgetPlan& plan) : plan_{plan}, watch_{plan.budget} {}

  // After each window: lines for whoever reads of the run.
  std::vector<std::string> look(MicroJoules spent, Nanoseconds elapsed, Job& job);
  // The job was asked to end.
  [[nodiscard]] bool has_stopped() const { return stopped_at_.has_value(); }

 private:
  BudgetPlan plan_;
  BudgetWatch watch_;
  std::optional<Nanoseconds> stopped_at_;  // since the start
  bool told_of_grace_ = false;
};

// A line for who sits at the terminal while the job runs: only where neither its output nor its errors go there.
void tell_terminal(const std::string& line);

}  // namespace everywatt
