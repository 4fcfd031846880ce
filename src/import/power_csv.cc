#include "import/power_csv.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/file.h"
#include "import/line_findings.h"
#include "import/power_csv_layout.h"
#include "import/power_trace.h"
#include "import/time_column.h"
#include "import/trace_device.h"

namespace everywatt {
namespace {

using Quantity = PowerUnit::Quantity;

// Relative standard uncertainties of meters that nobody vouches for:
// engineering priors, 6 % for NVML's power (src/sources/nvml_gpu.cc), 2 to 3 % for a BMC.
constexpr double kGpuUncertainty = 0.06;
constexpr double kMeterUncertainty = 0.025;
constexpr double kDisagreement = 0.05;  // of two meters of one device that is worth a flag
constexpr double kCoarseSteps = 10;     // a counter that makes fewer says less than the power does
constexpr double kMicrojoulesPerJoule = 1e6;
constexpr double kMostJoules = 4e12;  // of a counter; more does not fit the ledger

// What was read of one device.
struct Metered {
  std::string name;  // empty: the table names none
  std::string power_header = {};
  std::string energy_header = {};
  std::vector<PowerReading> powers = {};
  std::vector<CounterReading> counts = {};
  LineFindings bad = {};
};

class TableReader {
 public:
  TableReader(std::string_view file, const PowerCsvLayout& layout, const PowerCsvOptions& options)
      : file_{file}, layout_{layout}, options_{options} {}

  Result<void> read();
  std::vector<Metered> metered = {};
  std::vector<std::string> notices = {};
  TimeForm form = {};

 private:
  void take(const CsvRow& row);
  void take(const CsvRow& row, const MeterColumn& meter, Nanoseconds time);
  Metered& of(const std::string& device, const MeterColumn& meter);

  std::string file_;
  const PowerCsvLayout& layout_;
  const PowerCsvOptions& options_;
  LineFindings bad_;
  std::size_t zoneless_ = 0;
};

Result<void> TableReader::read() {
  const std::string& header = layout_.headers[layout_.time];
  std::optional<Result<TimeForm>> form_found;  // by the first value that tells one
  for (const CsvRow& row : layout_.rows) {
    if (form_found && *form_found) break;
    if (layout_.time >= row.fields.size()) continue;
    auto told = find_time_form(header, row.fields[layout_.time], options_.time_unit);
    if (told || !form_found) form_found = std::move(told);
  }
  if (!form_found) return fail(Errc::malformed, file_ + ": no row below the header");
  const Result<TimeForm>& found = *form_found;
  if (!found)
    return fail(found.error().code, fmt::format("{}: time column '{}': {}", file_, header, found.error().what));
  form = *found;
  for (const CsvRow& row : layout_.rows) take(row);
  if (!bad_.empty()) notices.push_back(fmt::format("{}: rows left out: {}", file_, bad_.text()));
  for (const Metered& one : metered)
    if (!one.bad.empty())
      notices.push_back(
          fmt::format("{}: readings{} left out: {}", file_, one.name.empty() ? "" : " of " + one.name, one.bad.text()));
  if (zoneless_ > 0) notices.push_back(fmt::format("{}: {} times name no zone and are taken as UTC", file_, zoneless_));
  return {};
}

void TableReader::take(const CsvRow& row) {
  if (!row.is_sound) return bad_.add(row.line, "something follows a closing quote");
  if (row.fields.size() != layout_.headers.size())
    return bad_.add(row.line, fmt::format("not {} fields", layout_.headers.size()));
  const auto time = parse_time(row.fields[layout_.time], form);
  if (!time) return bad_.add(row.line, "the time is not readable");
  if (layout_.device && row.fields[*layout_.device].empty()) return bad_.add(row.line, "the device is missing");
  if (!time->has_zone) ++zoneless_;
  for (const MeterColumn& meter : layout_.meters) take(row, meter, time->wall);
}

void TableReader::take(const CsvRow& row, const MeterColumn& meter, Nanoseconds time) {
  Metered& one = of(layout_.device ? row.fields[*layout_.device] : "", meter);
  const auto value = parse_meter_value(row.fields[meter.index], meter.unit, layout_.decimal);
  if (!value) return one.bad.add(row.line, fmt::format("'{}': {}", meter.header, value.error().what));
  if (meter.unit.quantity == Quantity::power) {
    if (*value * watt > kMostPower)
      return one.bad.add(row.line, fmt::format("'{}': more than any meter reads", meter.header));
    one.powers.push_back({time, *value * watt});
  } else {
    if (*value > kMostJoules) return one.bad.add(row.line, fmt::format("'{}': more than a ledger holds", meter.header));
    one.counts.push_back({time, std::llround(*value * kMicrojoulesPerJoule)});
  }
}

Metered& TableReader::of(const std::string& device, const MeterColumn& meter) {
  const std::string name = device.empty() || meter.thing.empty() ? device + meter.thing : device + "/" + meter.thing;
  auto found = std::ranges::find(metered, name, &Metered::name);
  if (found == metered.end()) found = metered.insert(metered.end(), Metered{.name = name});
  (meter.unit.quantity == Quantity::power ? found->power_header : found->energy_header) = meter.header;
  return *found;
}

std::string stem(std::string_view file) { return std::filesystem::path{file}.stem().string(); }

// By the thing that the column is about, else by what a header of NVIDIA's tool gives away.
DeviceKind kind_of(const Metered& one, const PowerCsvLayout& layout, const PowerCsvOptions& options) {
  if (options.kind) return *options.kind;
  const std::string name = lower(one.name.substr(one.name.rfind('/') + 1));
  if (name.starts_with("gpu")) return DeviceKind::gpu;
  if (name.starts_with("cpu") || name.starts_with("package") || name.starts_with("pkg")) return DeviceKind::package;
  if (name.starts_with("dram") || name.starts_with("mem")) return DeviceKind::dram;
  const bool is_smi = one.power_header.starts_with("power.draw");
  const std::string by = layout.device ? lower(layout.headers[*layout.device]) : "";
  return is_smi || by.starts_with("gpu") || by == "uuid" ? DeviceKind::gpu : DeviceKind::node;
}

std::string device_id(DeviceKind kind, const std::string& name) {
  const std::string prefix = std::string{to_string(kind)} + ":";
  return name.starts_with(prefix) ? name : prefix + name;
}

// The counter supplies the energy unless it is too coarse; the power checks it.
void elect(ImportedDevice& device, Metered& one, TimeSpan run, double relative, std::vector<std::string>& notices) {
  Trace counted = trace_counter(one.counts, run);
  Trace integrated = trace_power(one.powers, run);
  const bool is_coarse = static_cast<double>(counted.total()) <= kCoarseSteps * static_cast<double>(counted.resolution);
  const bool is_counter = one.powers.empty() || (!counted.curve.empty() && (integrated.curve.empty() || !is_coarse));
  const std::string& id = device.device.id;
  device.sensor = "power-csv:" + (is_counter ? one.energy_header : one.power_header);
  if (!counted.curve.empty() && !integrated.curve.empty()) {
    const double a = static_cast<double>(counted.total());
    const double b = static_cast<double>(integrated.total());
    if (!is_counter)
      notices.push_back(
          fmt::format("{}: the counter '{}' moves in steps of {:g} J, too coarse for this run: the power counts", id,
                      one.energy_header, static_cast<double>(counted.resolution) / kMicrojoulesPerJoule));
    else if (std::abs(a - b) > kDisagreement * std::max(a, b)) {
      device.flags.emplace_back("sensor-disagreement");
      notices.push_back(
          fmt::format("{}: its counter says {:.3f} kJ, its power {:.3f} kJ: the counter counts", id, a / 1e9, b / 1e9));
    }
  }
  fill(device, is_counter ? std::move(counted) : std::move(integrated),
       is_counter ? Method::counter : Method::integrated, relative, notices);
}

std::optional<TimeSpan> span_of(const std::vector<Metered>& metered) {
  std::optional<TimeSpan> span;
  const auto widen = [&](Nanoseconds time) {
    if (!span) span = TimeSpan{time, time};
    span->begin = std::min(span->begin, time);
    span->end = std::max(span->end, time);
  };
  for (const Metered& one : metered) {
    for (const PowerReading& reading : one.powers) widen(reading.time);
    for (const CounterReading& reading : one.counts) widen(reading.time);
  }
  if (!span || span->length() == 0) return std::nullopt;
  return span;
}

// Times that count from the start are moved to where they belong on the wall clock.
Result<Nanoseconds> shift_of(std::string_view file, TimeSpan span, Nanoseconds written, const PowerCsvOptions& options,
                             std::vector<std::string>& notices) {
  const Nanoseconds shift = options.started ? *options.started - span.begin : written - span.end;
  constexpr Nanoseconds kMost = 9'000'000'000 * kSecond;
  if (span.begin + shift < 0 || span.end > kMost - std::max<Nanoseconds>(shift, 0))
    return fail(Errc::malformed,
                fmt::format("{}: the times count from the start and reach back before 1970 or beyond 2255 "
                            "from there: correct them, or say when it was with --started",
                            file));
  notices.push_back(fmt::format("{}: times are taken as counts from the start; {}", file,
                                options.started
                                    ? "--started says when that was"
                                    : "the file's last change is taken as the end (--started says better)"));
  return shift;
}

void move_by(std::vector<Metered>& metered, Nanoseconds shift) {
  for (Metered& one : metered) {
    for (PowerReading& reading : one.powers) reading.time += shift;
    for (CounterReading& reading : one.counts) reading.time += shift;
  }
}

Run run_of(std::string_view file, TimeSpan span, const PowerCsvOptions& options) {
  Run run;
  run.name = options.name.empty() ? stem(file) : options.name;
  run.origin = "import";
  run.status = RunStatus::finished;
  run.started = {.steady = span.begin, .wall = span.begin};
  run.ended = Instant{.steady = span.end, .wall = span.end};
  run.environment["file"] = std::filesystem::path{file}.filename().string();
  return run;
}

ImportedDevice device_of(Metered& one, const PowerCsvLayout& layout, const PowerCsvOptions& options, Run& run) {
  const DeviceKind kind = kind_of(one, layout, options);
  ImportedDevice device;
  device.device = {.id = device_id(kind, one.name.empty() ? run.name : one.name), .kind = kind};
  device.correlation = "power-csv-" + std::string{to_string(kind)};
  if (!one.bad.empty()) device.flags.emplace_back("bad-lines");
  const double relative = options.uncertainty.value_or(kind == DeviceKind::gpu ? kGpuUncertainty : kMeterUncertainty);
  elect(device, one, {run.started.steady, run.ended->steady}, relative, run.notices);
  return device;
}

void tell_uncertainty(const std::vector<ImportedDevice>& devices, const PowerCsvOptions& options, Run& run) {
  if (options.uncertainty) return;
  const bool is_gpu = std::ranges::any_of(devices, [](auto& device) { return device.device.kind == DeviceKind::gpu; });
  run.notices.push_back(fmt::format("the meter's own error is taken as {:g} %, as of {} (--uncertainty says better)",
                                    (is_gpu ? kGpuUncertainty : kMeterUncertainty) * 100,
                                    is_gpu ? "NVML, uncalibrated" : "a BMC"));
}

}  // namespace

Result<Imported> parse_power_csv(std::string_view file, std::string_view text, Nanoseconds written,
                                 const PowerCsvOptions& options) {
  TRY(const PowerCsvLayout layout, find_layout(file, text, options));
  TableReader table{file, layout, options};
  CHECK(table.read());
  auto span = span_of(table.metered);
  if (!span) {
    std::string why = "no two readings at different times: nothing to integrate";
    for (const std::string& notice : table.notices) why += "; " + notice;
    return fail(Errc::malformed, fmt::format("{}: {}", file, why));
  }
  if (table.form.is_from_start) {
    TRY(const Nanoseconds shift, shift_of(file, *span, written, options, table.notices));
    move_by(table.metered, shift);
    span = TimeSpan{span->begin + shift, span->end + shift};
  }
  Imported imported;
  imported.run = run_of(file, *span, options);
  imported.run.notices = std::move(table.notices);
  for (Metered& one : table.metered) imported.devices.push_back(device_of(one, layout, options, imported.run));
  const bool is_node =
      std::ranges::any_of(imported.devices, [](auto& one) { return one.device.kind == DeviceKind::node; });
  imported.run.boundary = is_node ? "node" : "components";
  if (const std::string edges = edge_notice(imported.devices, *span); !edges.empty())
    imported.run.notices.push_back(edges);
  tell_uncertainty(imported.devices, options, imported.run);
  return imported;
}

Result<Imported> import_power_csv(const std::filesystem::path& file, const PowerCsvOptions& options) {
  TRY(const std::string text, read_text(file));
  struct ::stat status{};
  if (::stat(file.c_str(), &status) != 0) return fail_errno(errno, "read " + file.string());
  const Nanoseconds written = status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec;
  return parse_power_csv(file.string(), text, written, options);
}

}  // namespace everywatt
