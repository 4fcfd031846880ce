#include "cli/calibrate_gain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/text.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/recording.h"
#include "import/power_csv.h"
#include "model/curve_fit.h"
#include "report/calibrations.h"
#include "report/format.h"

namespace everywatt {
namespace {

// Of the meter, where nobody says: one of class 1 (IEC 62053-21) is off by 1 % at most. As a standard uncertainty that
// leaves room for what lies between the meter and the board.
constexpr double kMeterError = 0.01;

Result<double> meter_error(const std::optional<std::string>& text) {
  if (!text) return kMeterError;
  const auto error = parse_double(*text);
  if (!error || *error < 0 || *error > 1)
    return fail(Errc::misuse, "--uncertainty expects a number from 0 to 1, not '" + *text + "'");
  return *error;
}

bool has_gap(const RunRecord& record, const std::string& device, Nanoseconds from, Nanoseconds to) {
  return std::ranges::any_of(record.gaps, [&](const Gap& gap) {
    return gap.device == device && gap.started_wall < to && gap.started_wall + gap.length > from;
  });
}

// What the device's sensor showed in that run, on the wall clock.
Result<EnergyCurve> curve_of(Store& store, const RunRecord& record, const std::string& device) {
  TRY(const auto points, store.series(record.run.id, device, Track::energy));
  EnergyCurve curve;
  Nanoseconds before = record.run.started.wall;
  for (const SeriesPoint& point : points) {
    const Nanoseconds now = record.run.started.wall + (point.time - record.run.started.steady);
    curve.append(now, point.value, has_gap(record, device, before, now) ? Sight::unseen : Sight::observed);
    before = now;
  }
  return curve;
}

Result<EnergyCurve> curve_in(const std::string& meter_file) {
  TRY(Imported trusted, import_power_csv(meter_file));
  if (trusted.devices.size() == 1) return std::move(trusted.devices.front().curve);
  return fail(Errc::malformed,
              meter_file + ": expected one power column, found " + std::to_string(trusted.devices.size()));
}

// What the device may draw, as its driver says; else the most that was seen.
double limit_of(const DeviceRecord& row, const LineFit& line) {
  const auto limit = std::ranges::find(row.quantities, "power_limit", &QuantityRecord::name);
  const double told = limit == row.quantities.end() ? 0 : limit->most.value_or(0);
  return std::max(told, line.most_x);
}

// A line through a narrow range of power, or through few and noisy seconds, is no line for what the device draws
// elsewhere: of 396 to 408 W one was off by hundreds of watts at idle.
Result<void> check_reach(const CurveFit& fit, const DeviceRecord& row, const std::string& run) {
  // Of the limit; the error is two thirds of what boards are off by that were not calibrated.
  constexpr double kLeastRange = 0.25, kMostError = 0.04;
  const LineFit& line = fit.line;
  const double limit = limit_of(row, line);
  const std::string where = "in run " + run + " " + row.device.id;
  if (line.most_x - line.least_x < kLeastRange * limit) {
    return fail(Errc::malformed, where + " was read between " + show_watts(line.least_x) + " and " +
                                     show_watts(line.most_x) + " alone, which does not show what it reads up to " +
                                     show_watts(limit) +
                                     ": run more levels of load, from idle to full, beside the meter");
  }
  const double error = fit.error_watts(limit);
  if (error <= kMostError * limit) return {};
  const std::string time = show_duration(fit.compared);
  return fail(Errc::malformed, where + " and the meter fit no line that is sure enough" +
                                   (std::isfinite(error) ? ": after " + time + " it is ± " + show_watts(2 * error) +
                                                               " off between idle and " + show_watts(limit)
                                                         : " in " + time) +
                                   ": run longer, or let power change more slowly");
}

std::string host_here(const Context& context) {
  return ledger_host(environment_of(context.roots)["host"], context.roots);
}

}  // namespace

Result<int> calibrate_gain(Context& context, Args args) {
  std::string device;
  std::string meter_file;
  std::string reference = "last";
  std::optional<std::string> uncertainty_text;
  Flags flags{
      "calibrate gain", "--device D --meter FILE [--run RUN] [--uncertainty X]",
      "Compares a device's sensor with a meter one trusts: a run that was measured while FILE (a table of power "
      "over time, as for import power-csv) was recorded. Fits true = gain × read + offset and applies it from now on, "
      "to a GPU's other sensors too. Done again, it corrects what is left."};
  flags.option("--device D", device, "the device, as doctor names it");
  flags.option("--meter FILE", meter_file, "the trusted meter's table");
  flags.option("--run RUN", reference, "the run that was measured meanwhile (last)");
  flags.option("--uncertainty X", uncertainty_text, "of the meter, relative, one standard deviation (0.01)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (device.empty() || meter_file.empty()) return fail(Errc::misuse, "expected --device D and --meter FILE");
  TRY(const double meter_uncertainty, meter_error(uncertainty_text));
  TRY(const auto store, open_ledger(context, Create::no));
  TRY(const std::string id, store->find(reference));
  TRY(const RunRecord record, store->read(id));
  const auto row = std::ranges::find(record.devices, device, [](const DeviceRecord& d) { return d.device.id; });
  if (row == record.devices.end()) return fail(Errc::absent, "run " + id + " has no device '" + device + "'");
  if (row->method == Method::modelled)
    return fail(Errc::absent, device + " was modelled in run " + id + ": there is no sensor to correct");
  TRY(const EnergyCurve sensor, curve_of(*store, record, device));
  TRY(const EnergyCurve trusted, curve_in(meter_file));
  const auto fit = fit_curves(sensor, trusted);
  if (!fit)
    return fail(Errc::malformed, "run " + id + " and " + meter_file + " share too little changing power to fit a line");
  CHECK(check_reach(*fit, *row, id));
  const LineFit& line = fit->line;
  if (line.slope <= 0) {
    return fail(Errc::malformed, "in run " + id + ", " + device + " and " + meter_file +
                                     " do not rise and fall together: are they of the same device and time?");
  }
  const Correction left{.gain = line.slope, .offset = line.intercept * watt};
  const Correction whole = left.after(row->correction.value_or(Correction{}));
  const double remaining = std::hypot(fit->relative_error(limit_of(*row, line)), meter_uncertainty);
  const std::string source = fmt::format("{}, {} of run {}", meter_file, show_duration(fit->compared), id);
  CHECK(store->put_calibration({.host = ledger_host(record.run.host, context.roots),
                                .device = device,
                                .sensor = row->sensor,
                                .gain = whole.gain,
                                .offset_watts = whole.offset / watt,
                                .relative_uncertainty = remaining,
                                .source = source,
                                .made_wall = context.clock.now().wall}));
  CHECK(store->commit());
  context.out << fmt::format(
      "{} {}: gain {:.4f}, offset {:.2f} W (R² {:.4f}, {}, its times {:.0f} ms {}); ± {} remains; applied to runs from "
      "now on\n",
      device, row->sensor, whole.gain, whole.offset / watt, line.r_squared, source,
      std::abs(static_cast<double>(fit->late)) / 1e6, fit->late < 0 ? "early" : "late", show_percent(2 * remaining));
  return 0;
}

Result<int> calibrate_list(Context& context, Args args) {
  bool json = false;
  Flags flags{"calibrate list", "[--json]", "Lists the gain and offset that hold for sensors of this host."};
  flags.flag("--json", json, "as JSON (schema everywatt.calibrations/1)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  const std::string host = host_here(context);
  std::vector<Calibration> calibrations;
  if (auto store = open_ledger(context, Create::no)) {
    TRY(calibrations, (*store)->calibrations(host));
  } else if (store.error().code != Errc::absent) {
    return std::unexpected{std::move(store).error()};
  }
  if (json) {
    context.out << calibrations_json(host, calibrations);
  } else if (calibrations.empty()) {
    context.out << "no calibration yet: everywatt calibrate gain makes one\n";
  } else {
    context.out << calibrations_text(calibrations, context.out_style);
  }
  return 0;
}

Result<int> calibrate_forget(Context& context, Args args) {
  std::string device;
  Flags flags{
      "calibrate forget", "DEVICE",
      "Forgets the gain and offset of a device's sensors: runs from now on have what these read. Runs that were "
      "measured stay as they are."};
  flags.positional("DEVICE", device, "as calibrate list names it");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const auto store, open_ledger(context, Create::no));
  TRY(const std::size_t forgotten, store->forget_calibrations(host_here(context), device));
  if (forgotten == 0) return fail(Errc::absent, "no sensor of '" + device + "' was calibrated on this host");
  context.out << device << ": " << forgotten << (forgotten == 1 ? " sensor" : " sensors")
              << " forgotten; runs from now on are not corrected\n";
  return 0;
}

}  // namespace everywatt
