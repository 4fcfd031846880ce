// everywatt import KIND: other people's records become runs of the ledger.
#include <algorithm>

#include "base/text.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/recording.h"
#include "import/mllog.h"
#include "import/power_csv.h"
#include "meter/import_books.h"
#include "report/bill_json.h"
#include "report/bill_text.h"

namespace everywatt {
namespace {

// What every kind of import takes.
struct Common {
  std::optional<std::string> name, project, model;
  std::vector<std::string> tags;
  bool json = false;

  void declare(Flags& flags) {
    flags.option("--name NAME", name, "name of the run");
    flags.option("--project P", project, "project it belongs to");
    flags.option("--model M", model, "model it trained or served");
    flags.option("--tag K=V", tags, "a tag; may be repeated");
    flags.flag("--json", json, "print the bill as JSON (schema everywatt.run/1)");
  }
  Result<void> apply(Run& run) const {
    if (name) run.name = *name;
    if (project) run.project = *project;
    if (model) run.model = *model;
    TRY(const auto pairs, key_values("--tag", tags));
    for (const auto& [key, value] : pairs) run.tags[key] = value;
    return {};
  }
};

DeviceRecord record_of(const ImportedDevice& device, Nanoseconds from, Nanoseconds to) {
  DeviceRecord record{.device = device.device,
                      .counted = device.counted,
                      .method = device.method,
                      .sensor = device.sensor,
                      .correlation = device.correlation,
                      .uncertainty_random = device.uncertainty_random,
                      .uncertainty_systematic = device.uncertainty_systematic,
                      .utilisation_known = false,
                      .flags = device.flags,
                      .reason = device.reason};
  record.flags.push_back("utilisation-unknown");
  if (device.curve.empty()) return record;
  record.measured = device.curve.between(from, to);
  record.observed = device.curve.observed(from, to);
  record.reserved_time = to - from;
  return record;
}

RunDelta book(const Imported& imported) {
  const Nanoseconds from = imported.run.started.steady;
  const Nanoseconds to = imported.run.ended->steady;
  const PhaseTimeline phases{imported.phases};
  RunDelta delta{.phases = phases.stats()};
  for (const ImportedDevice& device : imported.devices) {
    const std::string& id = device.device.id;
    delta.devices.push_back(record_of(device, from, to));
    std::ranges::copy(device.gaps, std::back_inserter(delta.gaps));
    if (device.curve.empty()) continue;
    std::ranges::move(book_record(id, device.curve, from, to, phases), std::back_inserter(delta.entries));
    auto& points = delta.series.emplace_back(RunDelta::Series{.device = id}).points[Track::energy];
    for (const auto& point : device.curve.points()) points.push_back({point.time, point.total});
  }
  return delta;
}

Result<int> keep(Context& context, Imported imported, const Common& common) {
  CHECK(common.apply(imported.run));
  imported.run.id = new_run_id();
  TRY(const auto store, open_ledger(context, Create::yes));
  CHECK(store->put_run(imported.run));
  CHECK(store->append(imported.run.id, book(imported)));
  CHECK(store->commit());
  TRY(const Bill bill, read_bill(*store, imported.run.id));
  context.out << (common.json ? bill_json(bill) : bill_text(bill, context.out_style));
  return 0;
}

Result<int> import_mllog_command(Context& context, Args args) {
  Common common;
  std::string folder;
  Flags flags{"import mllog", "[OPTION…] DIR",
              "Imports a power record of MLPerf training: DIR holds result.txt (run_start, run_stop), node_*.txt with "
              "power_reading lines in watts, and sw_*.txt with estimates of the switches, which do not count."};
  flags.positional("DIR", folder, "the folder of the record");
  common.declare(flags);
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(Imported imported, import_mllog(folder));
  return keep(context, std::move(imported), common);
}

struct CsvFlags {
  std::string file;
  std::vector<std::string> power_columns;
  std::optional<std::string> time_column, device_column, unit, time_unit, separator, decimal, started, kind,
      uncertainty;

  void declare(Flags& flags) {
    flags.positional("FILE", file, "the table");
    flags.option("--time-column C", time_column, "column of the time, by header or number from 1");
    flags.option("--power-column C", power_columns, "column of power or energy; may be repeated (all that are found)");
    flags.option("--device-column C", device_column, "column that names the device; 'none': there is none");
    flags.option("--unit U", unit, "of power columns whose header names none: W, kW, mW, Wh, kWh, J …");
    flags.option("--time-unit U", time_unit, "of times that are numbers: s, ms, us, ns");
    flags.option("--separator S", separator, "',' ';' or 'tab'");
    flags.option("--decimal D", decimal, "decimal sign: '.' or ','");
    flags.option("--started T", started, "when times that count from 0 began: 2026-11-25T14:00:00Z");
    flags.option("--kind K", kind, "what the meter measures: node, gpu, package … (node)");
    flags.option("--uncertainty X", uncertainty, "of the meter, relative, one standard deviation: 0.01");
  }
};

Result<PowerCsvOptions> options_of(const CsvFlags& flags) {
  PowerCsvOptions options;
  options.time_column = flags.time_column.value_or("");
  options.power_columns = flags.power_columns;
  options.device_column = flags.device_column.value_or("");
  options.unit = flags.unit.value_or("");
  if (flags.time_unit) {
    options.time_unit = parse_time_unit(*flags.time_unit);
    if (!options.time_unit)
      return fail(Errc::misuse, "--time-unit expects s, ms, us or ns, not '" + *flags.time_unit + "'");
  }
  if (flags.separator) {
    const bool tab = *flags.separator == "tab" || *flags.separator == "\\t";
    if (!tab && flags.separator->size() != 1) return fail(Errc::misuse, "--separator expects one character or 'tab'");
    options.separator = tab ? '\t' : flags.separator->front();
  }
  if (flags.decimal) {
    if (*flags.decimal != "." && *flags.decimal != ",") return fail(Errc::misuse, "--decimal expects '.' or ','");
    options.decimal = flags.decimal->front();
  }
  if (flags.started) {
    const auto time = parse_iso_time(*flags.started);
    if (!time)
      return fail(Errc::misuse, "--started expects a time as 2026-11-25T14:00:00Z, not '" + *flags.started + "'");
    options.started = time->wall;
  }
  if (flags.kind) {
    options.kind = parse_device_kind(*flags.kind);
    if (!options.kind)
      return fail(Errc::misuse, "--kind expects node, gpu, package, dram …, not '" + *flags.kind + "'");
  }
  if (flags.uncertainty) {
    options.uncertainty = parse_double(*flags.uncertainty);
    if (!options.uncertainty || *options.uncertainty < 0) {
      return fail(Errc::misuse, "--uncertainty expects a number from 0, not '" + *flags.uncertainty + "'");
    }
  }
  return options;
}

Result<int> import_power_csv_command(Context& context, Args args) {
  Common common;
  CsvFlags csv;
  Flags flags{"import power-csv", "[OPTION…] FILE",
              "Imports a table of power or energy over time from any meter: a wall meter, a BMC, nvidia-smi. "
              "Columns are told from their headers; where that leaves a choice, the options make it."};
  csv.declare(flags);
  common.declare(flags);
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(PowerCsvOptions options, options_of(csv));
  if (common.name) options.name = *common.name;
  TRY(Imported imported, import_power_csv(csv.file, options));
  return keep(context, std::move(imported), common);
}

}  // namespace

Result<int> import_command(Context& context, Args args) {
  constexpr std::string_view kUsage =
      "usage: everywatt import mllog DIR | power-csv FILE  [OPTION…]\n\n"
      "  mllog       a power record of MLPerf training\n"
      "  power-csv   a table of power or energy over time from any meter\n\n"
      "Each explains itself: everywatt import mllog --help\n";
  if (!args.empty() && (args.front() == "--help" || args.front() == "-h")) {
    context.out << kUsage;
    return 0;
  }
  if (args.empty()) return fail(Errc::misuse, "expected what to import: mllog DIR or power-csv FILE");
  if (args.front() == "mllog") return import_mllog_command(context, args.subspan(1));
  if (args.front() == "power-csv") return import_power_csv_command(context, args.subspan(1));
  return fail(Errc::misuse, "cannot import '" + args.front() + "'; expected mllog or power-csv");
}

}  // namespace everywatt
