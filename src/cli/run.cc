// everywatt run -- CMD: the job's parent and nothing more, with a meter beside it.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

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

  TRY(const Config config, Config::load());
  start_companion(context, config, run.id);
  Recording recording{context, config, std::move(run), measured_from(::getpid())};
  std::vector<std::pair<std::string, std::string>> environment{{"EVERYWATT_RUN_ID", recording.run().id}};
  if (const auto socket = recording.socket()) environment.emplace_back("EVERYWATT_SOCKET", *socket);
  auto job = start_job({.command = std::move(command),
                        .environment = std::move(environment),
                        .cgroup_name = "everywatt-" + recording.run().id});
  if (!job) return start_failure(context, recording.run().command.front(), job.error());
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
