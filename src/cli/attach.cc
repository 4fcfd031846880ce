// everywatt attach PID: measures a process that runs already.
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "cli/bill_output.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/kinship.h"
#include "cli/ledger.h"
#include "cli/recording.h"
#include "cli/run_labels.h"

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

// A run that was there before and lies within would be on both bills.
Result<void> check_apart(const Tenant::Root& root, const Context& context) {
  const auto folder = presence_folder(context.roots);
  if (!folder) return {};
  const auto within = run_within(root, tenants_in(*folder, context.clock.now().steady));
  if (!within) return {};
  return fail(Errc::misuse,
              "PID " + std::to_string(root.pid) + " holds the run " + *within +
                  ", which is being measured already: attach to a process beside it, or wait for its end");
}

}  // namespace

Result<int> attach_command(Context& context, Args args) {
  std::string pid_text;
  std::optional<std::string> socket;
  bool says_id = false;
  RunLabels labels;
  BillOutput output;
  Flags flags{"attach", "[OPTION…] PID",
              "Measures a running process, with the children it has and gets, until it ends or until Ctrl-C (or "
              "SIGTERM). What it did before is not on the bill, and its exit status is not known. Ends with 0."};
  flags.positional("PID", pid_text, "the process");
  labels.add_options(flags);
  flags.option("--socket PATH", socket, "listen for the process's marks at this path, which it opens itself");
  flags.flag("--print-id", says_id, "print the run's id on standard output as soon as it is measured");
  output.add_options(flags);
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  const auto pid = parse_u64(pid_text);
  if (!pid || *pid == 0 || *pid > 4194304)
    return fail(Errc::misuse, "PID expects a process id, not '" + pid_text + "'");
  const auto root = measured_from(static_cast<pid_t>(*pid));
  CHECK(check_apart(root, context));
  CHECK(output.check());
  TRY(const auto job, attach_to(static_cast<pid_t>(*pid)));

  Run run{.id = new_run_id(), .origin = "attach", .command = command_of(static_cast<pid_t>(*pid))};
  CHECK(labels.describe(
      run, run.command.empty() ? "pid " + pid_text : std::filesystem::path{run.command.front()}.filename().string()));
  run.environment = environment_of(context.roots);
  run.host = run.environment["host"];
  run.supervisor = this_supervisor();
  TRY(const Config config, Config::load());
  std::optional<JobVoice> voice;
  if (socket) {
    TRY(auto opened, JobVoice::open_at(*socket));  // who names a place is heard there or nowhere
    voice.emplace(std::move(opened));
  }
  Recording recording{context, config, std::move(run), root, std::move(voice)};
  if (says_id) context.out << recording.run().id << '\n' << std::flush;
  const JobEnd end = recording.follow(*job);
  const Bill bill = recording.finish(end);
  CHECK(output.write(context, recording, bill));
  return 0;
}

}  // namespace everywatt
