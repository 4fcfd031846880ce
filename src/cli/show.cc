// everywatt show, ls and rm: looking into the ledger.
#include <algorithm>

#include "base/text.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "report/bill_json.h"
#include "report/bill_text.h"
#include "report/run_list.h"

namespace everywatt {

Result<int> show_command(Context& context, Args args) {
  std::string reference = "last";
  std::vector<std::string> references;
  bool json = false, ranks = false;
  Flags flags{"show", "[--json] [--ranks] [RUN]",
              "Shows the bill of a run: an id, a unique prefix of one, a name, or 'last'."};
  flags.positional("RUN", references, "the run; 'last' if none is given");
  flags.flag("--json", json, "as JSON (schema everywatt.run/1)");
  flags.flag("--ranks", ranks, "the ranks of a job beside each other: steps, waits, and the joules of both");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (references.size() > 1) return fail(Errc::misuse, "expected one RUN, not " + std::to_string(references.size()));
  if (!references.empty()) reference = references.front();
  TRY(const auto store, open_ledger(context, Create::no));
  TRY(const Bill bill, read_bill(*store, reference));
  context.out << (json    ? bill_json(bill)
                  : ranks ? ranks_text(bill, context.out_style)
                          : bill_text(bill, context.out_style));
  return 0;
}

Result<int> ls_command(Context& context, Args args) {
  bool json = false;
  std::optional<std::string> project, limit;
  Flags flags{"ls", "[--json] [--project P] [--limit N]", "Lists the runs of the ledger, the newest first."};
  flags.option("--project P", project, "only runs of this project");
  flags.option("--limit N", limit, "at most this many (all)");
  flags.flag("--json", json, "as JSON (schema everywatt.runs/1)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  RunFilter filter{.project = project.value_or("")};
  if (limit) {
    const auto number = parse_u64(*limit);
    if (!number || *number == 0) return fail(Errc::misuse, "--limit expects a number from 1, not '" + *limit + "'");
    filter.limit = *number;
  }
  auto store = open_ledger(context, Create::no);
  std::vector<RunSummary> runs;
  if (store) {
    TRY(auto listed, (*store)->list(filter));
    runs = std::move(listed);
    for (RunSummary& summary : runs) {
      if (summary.status != RunStatus::running) continue;
      TRY(RunRecord record, (*store)->read(summary.id));
      settle(**store, record.run);
      summary.status = record.run.status;
    }
  } else if (store.error().code != Errc::absent || !json) {
    return std::unexpected{std::move(store).error()};
  }
  context.out << (json ? run_list_json(runs) : run_list_text(runs, context.out_style));
  return 0;
}

Result<int> rm_command(Context& context, Args args) {
  std::vector<std::string> references;
  Flags flags{"rm", "RUN...", "Removes runs and all that was recorded of them."};
  flags.positional("RUN", references, "ids, unique prefixes, names, or 'last'");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (references.empty()) return fail(Errc::misuse, "expected the runs to remove: everywatt rm RUN...");
  TRY(const auto store, open_ledger(context, Create::no));
  // All are found before any is removed: a mistyped name removes nothing.
  std::vector<std::string> ids;
  for (const std::string& reference : references) {
    TRY(const std::string id, store->find(reference));
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
  }
  for (const std::string& id : ids) {
    TRY(const RunRecord record, store->read(id));
    if (is_measured_here(record.run))
      return fail(Errc::misuse, "run " + id + " is still being measured: end it first (pid " +
                                    std::to_string(record.run.supervisor.pid) + "); nothing was removed");
  }
  for (const std::string& id : ids) {
    CHECK(store->remove(id));
    context.out << "removed " << id << '\n';
  }
  return 0;
}

}  // namespace everywatt
