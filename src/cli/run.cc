// everywatt run -- CMD: the job's parent and nothing more, with a meter beside it.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/recording.h"
#include "report/bill_json.h"
#include "report/bill_text.h"

namespace everywatt {
namespace {

struct RunFlags {
  std::optional<std::string> name, project, model, model_version, json;
  std::vector<std::string> tags, metrics;
  bool quiet = false;
};

constexpr std::string_view kHelp =
    "Measures a command and prints what it cost. The command runs as if started directly: same terminal, streams, "
    "signals and exit status (128+n for signal n; 126 and 127 as a shell). The run is kept in the ledger "
    "(EVERYWATT_DB, else $XDG_DATA_HOME/everywatt/everywatt.db).";

Result<bool> parse(Context& context, Args args, RunFlags& flags) {
  Flags parser{"run", "[OPTION…] -- CMD [ARG…]", kHelp};
  parser.option("--name NAME", flags.name, "name of the run; else the command's");
  parser.option("--project P", flags.project, "project it belongs to");
  parser.option("--model M", flags.model, "model it trains or serves");
  parser.option("--model-version V", flags.model_version, "version of that model");
  parser.option("--tag K=V", flags.tags, "a tag; may be repeated");
  parser.option("--metric K=N", flags.metrics, "a metric, such as accuracy=0.97; may be repeated");
  parser.option("--json FILE", flags.json, "write the bill to this file as JSON (schema everywatt.run/1)");
  parser.flag("--quiet", flags.quiet, "print nothing of our own");
  return parser.parse(context, args);
}

Result<Run> describe(const RunFlags& flags, std::vector<std::string> command, const Roots& roots) {
  Run run{.id = new_run_id()};
  run.name = flags.name.value_or(std::filesystem::path{command.front()}.filename().string());
  run.project = flags.project.value_or("");
  run.model = flags.model.value_or("");
  run.model_version = flags.model_version.value_or("");
  TRY(const auto tags, key_values("--tag", flags.tags));
  for (const auto& [key, value] : tags) run.tags[key] = value;
  TRY(const auto metrics, key_values("--metric", flags.metrics));
  for (const auto& [key, value] : metrics) {
    const auto number = parse_count(value);
    if (!number) return fail(Errc::misuse, "--metric " + key + " expects a number, not '" + value + "'");
    run.metrics[key] = *number;
  }
  if (const char* parent = std::getenv("EVERYWATT_RUN_ID"); parent && *parent) run.parent = parent;
  run.command = std::move(command);
  run.environment = environment_of(roots);
  run.host = run.environment["host"];
  run.supervisor = this_supervisor();
  return run;
}

// What a reader of the bill should do about sensors that may not be read.
void print_bill(Context& context, const Recording& recording, const Bill& bill) {
  context.err << '\n' << bill_text(bill, context.err_style);
  if (const auto place = recording.kept_in()) {
    context.err << context.err_style.faint("  kept in     " + *place + "  (everywatt show " + bill.run.id + ")")
                << '\n';
  }
  context.err.flush();
}

// A shell's own two: not found, and found but not to be executed.
int start_failure(Context& context, const std::string& command, const Error& error) {
  context.err << "everywatt run: " << command << ": " << error.what << '\n';
  return error.code == Errc::absent ? 127 : 126;
}

}  // namespace

Result<int> run_command(Context& context, Args args) {
  const auto dashes = std::ranges::find(args, "--");
  RunFlags flags;
  TRY(const bool parsed, parse(context, {args.begin(), dashes}, flags));
  if (!parsed) return 0;
  if (dashes == args.end() || dashes + 1 == args.end()) {
    return fail(Errc::misuse, "expected a command after --: everywatt run [OPTION…] -- CMD [ARG…]");
  }
  std::vector<std::string> command{dashes + 1, args.end()};
  if (const char* off = std::getenv("EVERYWATT_DISABLED"); off && std::string_view{off} == "1") {
    flags.quiet = true;
  }
  TRY(Run run, describe(flags, command, context.roots));

  TRY(const Config config, Config::load());
  Recording recording{context, config, std::move(run)};
  auto job = start_job({.command = std::move(command),
                        .environment = {{"EVERYWATT_RUN_ID", recording.run().id}},
                        .cgroup_name = "everywatt-" + recording.run().id});
  if (!job) return start_failure(context, recording.run().command.front(), job.error());
  const JobEnd end = recording.follow(**job);
  const Bill bill = recording.finish(end);
  if (!flags.quiet) print_bill(context, recording, bill);
  if (flags.json) {
    if (const auto written = write_text(*flags.json, bill_json(bill)); !written) {
      context.err << "everywatt run: the bill could not be written: " << written.error().what << '\n';
      return end.exit_status != 0 ? end.exit_status : 1;
    }
  }
  return end.exit_status;
}

}  // namespace everywatt
