// everywatt export FORMAT: runs as files that other programs read.
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/net_program.h"
#include "export/csv.h"
#include "report/bill_json.h"

namespace everywatt {
namespace {

// The runs that were asked for; none asked for: all.
Result<std::vector<RunRecord>> records_of(Store& store, const std::vector<std::string>& references) {
  std::vector<std::string> ids;
  for (const std::string& reference : references) {
    TRY(std::string id, store.find(reference));
    ids.push_back(std::move(id));
  }
  if (references.empty()) {
    TRY(const auto runs, store.list());
    for (const RunSummary& summary : runs) ids.push_back(summary.id);
  }
  std::vector<RunRecord> records;
  for (const std::string& id : ids) {
    TRY(RunRecord record, store.read(id));
    settle(store, record.run);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

Result<int> export_command(Context& context, Args args) {
  if (!args.empty() && args.front() == "mlflow") {
    std::vector<std::string> words{"export"};
    words.insert(words.end(), args.begin(), args.end());
    return std::unexpected{become_net_program(words)};
  }
  std::string format;
  std::vector<std::string> references;
  bool entries = false;
  Flags flags{
      "export", "[--entries] csv|json [RUN...]",
      "Writes runs to standard output: csv with one line a device (or, with --entries, one line a ledger entry), "
      "json as a list of bills (schema everywatt.export/1). All runs where none is named. "
      "'everywatt export mlflow' delivers runs to MLflow (everywatt export mlflow --help)."};
  flags.positional("FORMAT", format, "csv or json");
  flags.positional("RUN", references, "ids, unique prefixes, names, or 'last'");
  flags.flag("--entries", entries, "csv: the ledger's entries (run, device, phase, account, minute)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (format != "csv" && format != "json")
    return fail(Errc::misuse, "cannot export as '" + format + "'; expected csv, json or mlflow");
  if (entries && format != "csv") return fail(Errc::misuse, "--entries goes with csv");
  TRY(const auto store, open_ledger(context, Create::no));
  TRY(std::vector<RunRecord> records, records_of(*store, references));
  if (entries) {
    context.out << entries_csv(records);
    return 0;
  }
  std::vector<Bill> bills;
  for (RunRecord& record : records) bills.push_back(bill_of(std::move(record)));
  context.out << (format == "csv" ? devices_csv(bills) : bills_json(bills));
  return 0;
}

Result<int> merge_command(Context& context, Args args) {
  std::string from;
  Flags flags{"merge", "FILE",
              "Takes over the runs of another ledger, or of a single run's file, that are not here yet."};
  flags.positional("FILE", from, "everywatt.db of another machine, or a file of runs/");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const auto store, open_ledger(context, Create::yes));
  TRY(const std::size_t count, store->merge(from));
  context.out << "took over " << count << (count == 1 ? " run\n" : " runs\n");
  return 0;
}

}  // namespace everywatt
