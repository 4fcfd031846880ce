// everywatt run -- CMD: the job's parent and nothing more, with a meter beside it.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/text.h"
#include "cli/bill_output.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/kinship.h"
#include "cli/ledger.h"
#include "cli/mlflow_settings.h"
#include "cli/net_program.h"
#include "cli/recording.h"
#include "cli/run_labels.h"

namespace everywatt {
namespace {

struct RunFlags {
  RunLabels labels;
  std::vector<std::string> budgets;
  std::optional<std::string> budget_action, grace, expected_epochs, epoch_phase;
  BillOutput output;
};

constexpr std::string_view kHelp =
    "Measures a command and prints what it cost. The command runs as if started directly: same terminal, streams, "
    "signals and exit status (128+n for signal n; 126 and 127 as a shell). The run is kept in the ledger "
    "(EVERYWATT_DB, else $XDG_DATA_HOME/everywatt/everywatt.db). With EVERYWATT_DISABLED=1 the command runs and "
    "nothing "
    "is measured.";

Result<bool> parse(Context& context, Args args, RunFlags& flags) {
  Flags parser{"run", "[OPTION…] -- CMD [ARG…]", kHelp};
  flags.labels.add_options(parser);
  parser.option(
      "--budget AMOUNT", flags.budgets,
      "energy (200J, 5kWh) or time (90min, 2h) that the run may use; a word at 80 %; both kinds may be given");
  parser.option("--budget-action A", flags.budget_action,
                "at 100 %: stop (SIGTERM to every process of the run; the default) or warn");
  parser.option("--grace T", flags.grace, "after which it is told that a stopped job goes on (30s); it is not killed");
  parser.option("--expect-epochs N", flags.expected_epochs, "epochs there will be: show tells the bill to come");
  parser.option("--epoch-phase P", flags.epoch_phase, "path of the phase that is an epoch (epoch)");
  flags.output.add_options(parser);
  return parser.parse(context, args);
}

Result<Run> describe(const RunFlags& flags, std::vector<std::string> command, const Roots& roots) {
  Run run{.id = new_run_id()};
  CHECK(flags.labels.describe(run, std::filesystem::path{command.front()}.filename().string()));
  run.command = std::move(command);
  run.environment = environment_of(roots);
  run.host = run.environment["host"];
  run.supervisor = this_supervisor();
  return run;
}

Result<BudgetPlan> budget_of(const RunFlags& flags) {
  BudgetPlan plan;
  TRY(plan.budget, parse_budget(flags.budgets));
  const std::string action = flags.budget_action.value_or("stop");
  if (action != "stop" && action != "warn")
    return fail(Errc::misuse, "--budget-action expects stop or warn, not '" + action + "'");
  if (action == "warn") plan.action = BudgetPlan::Action::warn;
  if (flags.grace) {
    const auto grace = parse_duration(*flags.grace);
    if (!grace) return fail(Errc::misuse, "--grace expects a time such as 30s or 2min, not '" + *flags.grace + "'");
    plan.grace = *grace;
  }
  return plan;
}

Result<void> add_expectation(const RunFlags& flags, Run& run) {
  if (flags.epoch_phase && !flags.expected_epochs) return fail(Errc::misuse, "--epoch-phase goes with --expect-epochs");
  if (!flags.expected_epochs) return {};
  const auto epochs = parse_u64(*flags.expected_epochs);
  if (!epochs || *epochs == 0)
    return fail(Errc::misuse, "--expect-epochs expects a number from 1, not '" + *flags.expected_epochs + "'");
  run.environment["expected_epochs"] = std::to_string(*epochs);
  run.environment["epoch_phase"] = flags.epoch_phase.value_or("epoch");
  return {};
}

// A shell's own two: not found, and found but not to be executed.
int start_failure(Context& context, const std::string& command, const Error& error) {
  context.err << "everywatt run: " << command << ": " << error.what << '\n';
  return error.code == Errc::absent ? 127 : 126;
}

// EVERYWATT_DISABLED=1: the command alone, as if it had not been ours to start.
int replace_by(Context& context, const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command)
    arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT: execvp's own form
  arguments.push_back(nullptr);
  ::execvp(arguments.front(), arguments.data());
  const Errc code = errno == ENOENT ? Errc::absent : Errc::denied;
  return start_failure(context, command.front(), {code, std::strerror(errno)});
}

// A run that is to be delivered while it lasts gets a companion; none, and the run is measured all the same.
void start_companion(Context& context, const Config& config, const std::string& run) {
  if (!mlflow_is_on(config)) return;
  const auto started = [&]() -> Result<void> {
    CHECK(mlflow_target(config));
    return start_net_program({"follow", "mlflow", run, std::to_string(::getpid())});
  }();
  if (!started) context.err << "everywatt: nothing is delivered to MLflow: " << started.error().what << '\n';
}

}  // namespace

Result<int> run_command(Context& context, Args args) {
  const auto dashes = std::ranges::find(args, "--");
  RunFlags flags;
  if (dashes == args.end() && !args.empty() && !args.front().starts_with('-'))
    return fail(Errc::misuse, "expected -- before the command: everywatt run -- " + args.front());
  TRY(const bool parsed, parse(context, {args.begin(), dashes}, flags));
  if (!parsed) return 0;
  if (dashes == args.end() || dashes + 1 == args.end())
    return fail(Errc::misuse, "expected a command after --: everywatt run [OPTION…] -- CMD [ARG…]");
  std::vector<std::string> command{dashes + 1, args.end()};
  if (const char* off = std::getenv("EVERYWATT_DISABLED"); off && std::string_view{off} == "1") {
    return replace_by(context, command);
  }
  CHECK(flags.output.check());
  TRY(Run run, describe(flags, command, context.roots));
  CHECK(add_expectation(flags, run));
  TRY(const BudgetPlan budget, budget_of(flags));

  TRY(const Config config, Config::load());
  start_companion(context, config, run.id);
  Recording recording{context, config, std::move(run), measured_from(::getpid())};
  std::vector<std::pair<std::string, std::string>> environment{{"EVERYWATT_RUN_ID", recording.run().id}};
  if (const auto socket = recording.socket()) environment.emplace_back("EVERYWATT_SOCKET", *socket);
  auto job = start_job({.command = std::move(command),
                        .environment = std::move(environment),
                        .cgroup_name = "everywatt-" + recording.run().id});
  if (!job) return start_failure(context, recording.run().command.front(), job.error());
  if (!budget.budget.is_empty()) recording.set_budget(budget);
  const JobEnd end = recording.follow(**job);
  const Bill bill = recording.finish(end);
  const int status = end.exit_status.value_or(0);
  if (const auto written = flags.output.write(context, recording, bill); !written) {
    context.err << "everywatt run: " << written.error().what << '\n';
    return status != 0 ? status : 1;
  }
  return status;
}

}  // namespace everywatt
