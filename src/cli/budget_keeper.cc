#include "cli/budget_keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "report/format.h"

namespace everywatt {
namespace {

std::string used_up(const BudgetPlan& plan, MicroJoules spent, Nanoseconds elapsed) {
  std::string text;
  if (plan.budget.energy) text += show_energy(spent) + " of " + show_energy(*plan.budget.energy);
  if (plan.budget.time)
    text += (text.empty() ? "" : ", ") + show_duration(elapsed) + " of " + show_duration(*plan.budget.time);
  return text;
}

}  // namespace

std::vector<std::string> BudgetKeeper::look(MicroJoules spent, Nanoseconds elapsed, Job& job) {
  std::vector<std::string> lines;
  const std::string used = used_up(plan_, spent, elapsed);
  switch (watch_.judge(spent, elapsed)) {
    case BudgetWatch::Stage::within:
      break;
    case BudgetWatch::Stage::near:
      lines.push_back("budget: four fifths are used (" + used + ")");
      break;
    case BudgetWatch::Stage::over:
      lines.push_back("budget: used up (" + used + ")");
      if (plan_.action == BudgetPlan::Action::warn) break;
      job.ask_to_end();
      stopped_at_ = elapsed;
      lines.push_back("budget: the job was asked to end (SIGTERM)");
      break;
  }
  if (stopped_at_ && !told_of_grace_ && elapsed - *stopped_at_ >= plan_.grace) {
    told_of_grace_ = true;
    lines.push_back("budget: the job goes on " + show_duration(plan_.grace) +
                    " after it was asked to end; it is not killed");
  }
  return lines;
}

void tell_terminal(const std::string& line) {
  if (::isatty(STDOUT_FILENO) != 0 || ::isatty(STDERR_FILENO) != 0) return;
  const Fd terminal{::open("/dev/tty", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)};
  // In the background a terminal may stop whoever writes to it.
  if (!terminal || ::tcgetpgrp(terminal.get()) != ::getpgrp()) return;
  const std::string text = "everywatt: " + line + "\r\n";
  (void)!::write(terminal.get(), text.data(), text.size());
}

}  // namespace everywatt
