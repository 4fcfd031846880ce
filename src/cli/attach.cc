// everywatt attach PID: measures a process that runs already until it ends.
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

std::vector<std::string> command_of(pid_t pid) {
  std::vector<std::string> command;
  const auto text = read_text("/proc/" + std::to_string(pid) + "/cmdline");
  if (!text) return command;
  for (const std::string_view part : split(*text, '\0')) {
    if (!part.empty()) command.emplace_back(part);
  }
  return command;
}

}  // namespace

Result<int> attach_command(Context& context, Args args) {
  std::string pid_text;
  std::optional<std::string> name, json;
  bool quiet = false;
  Flags flags{"attach", "[OPTION…] PID",
              "Measures a running process, with the children it has and gets, until it ends. What it did before is not "
              "on the bill, and its exit status is not known. Ends with 0."};
  flags.positional("PID", pid_text, "the process");
  flags.option("--name NAME", name, "name of the run; else the command's");
  flags.option("--json FILE", json, "write the bill to this file as JSON (schema everywatt.run/1)");
  flags.flag("--quiet", quiet, "print nothing of our own");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  const auto pid = parse_u64(pid_text);
  if (!pid || *pid == 0 || *pid > 4194304)
    return fail(Errc::misuse, "PID expects a process id, not '" + pid_text + "'");
  TRY(const auto job, attach_to(static_cast<pid_t>(*pid)));

  Run run{.id = new_run_id(), .origin = "attach", .command = command_of(static_cast<pid_t>(*pid))};
  run.name = name.value_or(run.command.empty() ? "pid " + pid_text
                                               : std::filesystem::path{run.command.front()}.filename().string());
  run.environment = environment_of(context.roots);
  run.host = run.environment["host"];
  run.supervisor = this_supervisor();
  TRY(const Config config, Config::load());
  Recording recording{context, config, std::move(run)};
  const JobEnd end = recording.follow(*job);
  const Bill bill = recording.finish(end);
  if (!quiet) context.err << '\n' << bill_text(bill, context.err_style);
  if (json) CHECK(write_text(*json, bill_json(bill)));
  return 0;
}

}  // namespace everywatt
