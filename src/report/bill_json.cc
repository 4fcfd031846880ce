#include "report/bill_json.h"

#include <nlohmann/json.hpp>

#include <cmath>

#include "analysis/forecast.h"
#include "analysis/stragglers.h"
#include "model/work_name.h"
#include "report/bottleneck_json.h"
#include "report/compute_json.h"
#include "report/format.h"

namespace everywatt {
namespace {

using Json = nlohmann::ordered_json;

Json joules(const std::optional<MicroJoules>& energy) {
  // Microjoules as exact decimal joules: a double holds them up to 9 GJ.
  return energy ? Json(static_cast<double>(*energy) / 1e6) : Json(nullptr);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

bool has_ended(const Run& run) {
  return run.ended && run.status != RunStatus::running && run.status != RunStatus::lost;
}

double seconds(Nanoseconds time) { return static_cast<double>(time) / 1e9; }

void put_figures(Json& out, const EnergyFigures& figures) {
  out["measured_joules"] = joules(figures.measured);
  out["total_joules"] = joules(figures.total);
  out["busy_joules"] = joules(figures.busy);
  out["idle_joules"] = joules(figures.idle);
  out["other_joules"] = joules(figures.other);
  out["unattributed_joules"] = joules(figures.unattributed);
  out["uncertainty_joules"] = joules(figures.uncertainty);
  out["total_uncertainty_joules"] = joules(figures.total_uncertainty);
}

Json quantity_json(const QuantityRecord& quantity) {
  if (!quantity.total && !quantity.mean) return nullptr;
  const auto number = [&](const std::optional<double>& value) {
    // Bytes are whole; a double holds them up to 9 PB.
    if (value && quantity.unit == "bytes") return Json(std::llround(*value));
    return or_null(value);
  };
  Json out;
  if (quantity.total) {
    out = {{"total", number(quantity.total)}};
  } else {
    out = {{"mean", number(quantity.mean)}, {"min", number(quantity.least)}, {"max", number(quantity.most)}};
  }
  out["observed_seconds"] = seconds(quantity.observed);
  if (quantity.is_sampled) out["sampled"] = true;
  return out;
}

void put_quantities(Json& out, const std::vector<QuantityRecord>& quantities) {
  Json figures = Json::object(), reasons = Json::object();
  for (const QuantityRecord& quantity : quantities) {
    const std::string key = quantity_key(quantity.name, quantity.unit);
    figures[key] = quantity_json(quantity);
    if (quantity.reason) reasons[key] = *quantity.reason;
  }
  out["quantities"] = std::move(figures);
  out["quantity_reasons"] = std::move(reasons);
}

Json device_json(const DeviceBill& device) {
  const DeviceRecord& record = device.record;
  Json out{{"id", record.device.id},       {"kind", to_string(record.device.kind)},
           {"model", record.device.model}, {"parent", or_null(record.device.parent)},
           {"counted", record.counted},    {"method", record.method ? Json(to_string(*record.method)) : Json(nullptr)},
           {"sensor", record.sensor}};
  put_figures(out, device.energy);
  out["coverage"] = device.coverage;
  out["flags"] = record.flags;
  out["reason"] = or_null(record.reason);
  put_quantities(out, record.quantities);
  out["cross_checks"] = Json::array();
  for (const CrossCheck& check : record.checks)
    out["cross_checks"].push_back(
        {{"sensor", check.sensor}, {"ratio", check.ratio}, {"over_seconds", static_cast<double>(check.over) / 1e9}});
  return out;
}

Json energy_json(const Bill& bill) {
  Json out;
  put_figures(out, bill.energy);
  out["uncertainty_systematic_joules"] = joules(bill.energy.uncertainty_systematic);
  out["measured_fraction"] = or_null(bill.measured_fraction);
  out["boundary"] = bill.run.boundary;
  out["devices"] = Json::array();
  for (const DeviceBill& device : bill.devices) out["devices"].push_back(device_json(device));
  return out;
}

Json facility_json(const Bill& bill) {
  if (!bill.facility) return nullptr;
  return {{"pue", or_null(bill.facility->pue)},
          {"energy_joules", joules(bill.facility->energy)},
          {"boundary", bill.facility->boundary}};
}

Json spread_json(const PhaseBill& phase, const Bill& bill) {
  const auto spread = bill.energy.total ? spread_of(phase.times) : std::nullopt;
  if (!spread) return nullptr;
  const auto deviation = spread->standard_deviation;
  return {{"count", spread->count},
          {"median_joules", spread->median / 1e6},
          {"min_joules", spread->least / 1e6},
          {"max_joules", spread->most / 1e6},
          {"standard_deviation_joules", deviation ? Json(*deviation / 1e6) : Json(nullptr)}};
}

// What the job counted, and what one of each cost.
Json work_json(const std::map<std::string, double>& counted, const std::optional<MicroJoules>& charged) {
  Json work = Json::object(), flops = Json::object(), again = Json::object();
  for (const auto& [what, amount] : counted) {
    if (what.starts_with(kFlops)) {
      flops[what.substr(kFlops.size())] = amount;
    } else if (what.starts_with(kRecomputedFlops)) {
      again[what.substr(kRecomputedFlops.size())] = amount;
    } else {
      work[what] = amount;
      if (amount > 0 && charged)
        work["joules_per_" + what.substr(0, what.size() - 1)] = static_cast<double>(*charged) / 1e6 / amount;
    }
  }
  if (!flops.empty()) work["flops"] = std::move(flops);
  if (!again.empty()) work["recomputed_flops"] = std::move(again);
  return work;
}

Json phases_json(const Bill& bill) {
  Json out = Json::array();
  const auto bottlenecks = phase_bottlenecks(bill);
  for (std::size_t i = 0; i < bill.phases.size(); ++i) {
    const PhaseBill& phase = bill.phases[i];
    out.push_back({{"path", phase.path},
                   {"count", phase.count},
                   {"duration_seconds", seconds(phase.duration)},
                   {"energy_joules", joules(phase.energy)},
                   {"self_joules", joules(phase.self)},
                   {"spread", spread_json(phase, bill)},
                   {"work", work_json(phase.work, std::nullopt)},
                   {"compute", phase.compute ? compute_figures_json(*phase.compute) : Json(nullptr)},
                   {"bottleneck", bottleneck_json(bottlenecks[i])}});
  }
  return out;
}

Json ranks_json(const Bill& bill) {
  Json out = Json::array();
  for (const RankRecord& rank : bill.ranks) {
    out.push_back({{"rank", rank.rank},
                   {"pid", rank.pid},
                   {"steps", rank.steps},
                   {"step_seconds", seconds(rank.duration) / static_cast<double>(rank.steps)},
                   {"compute_seconds", seconds(rank.duration - rank.waited)},
                   {"wait_seconds", seconds(rank.waited)},
                   {"wait_on_others_seconds", seconds(rank.waited_on_others)},
                   {"energy_joules", joules(rank.energy)},
                   {"waited_joules", joules(rank.energy_waited)},
                   {"caused_joules", joules(rank.energy_caused)},
                   {"lateness", rank.lateness},
                   {"late_share", rank.late_share}});
  }
  return out;
}

Json stragglers_json(const Bill& bill) {
  Json out = Json::array();
  for (const Straggler& rank : stragglers(bill.ranks)) {
    out.push_back(
        {{"rank", rank.rank}, {"steps_share", rank.steps}, {"behind", rank.behind}, {"caused_share", rank.caused}});
  }
  return out;
}

Json forecast_json(const Bill& bill) {
  const auto told = forecast_of(bill);
  if (!told) return nullptr;
  return {{"epochs_done", told->done},
          {"epochs_expected", told->expected},
          {"energy_joules", joules(told->energy)},
          {"energy_low_joules", joules(told->energy_low)},
          {"energy_high_joules", joules(told->energy_high)},
          {"duration_seconds", seconds(told->duration)},
          {"duration_low_seconds", seconds(told->duration_low)},
          {"duration_high_seconds", seconds(told->duration_high)}};
}

Json compute_json(const Bill& bill) {
  Json device_seconds = Json::array();
  for (const DeviceBill& device : bill.devices) {
    const DeviceRecord& record = device.record;
    if (!record.counted) continue;
    device_seconds.push_back({{"id", record.device.id},
                              {"reserved", seconds(record.reserved_time)},
                              {"busy", record.utilisation_known ? Json(seconds(record.busy_time)) : Json(nullptr)}});
  }
  Json out;
  out["device_seconds"] = std::move(device_seconds);
  out.update(compute_figures_json(bill.compute));
  out["peaks"] = peaks_json(bill.peaks);
  return out;
}

Json process_json(const Usage& usage) {
  return {{"cpu_seconds", seconds(usage.cpu_time)},
          {"cpu_method", usage.method},
          {"peak_memory_bytes", or_null(usage.peak_memory_bytes)},
          {"disk_read_bytes", or_null(usage.disk_read_bytes)},
          {"disk_written_bytes", or_null(usage.disk_written_bytes)}};
}

Json network_json(const Usage& usage) {
  Json out = Json::array();
  for (const NetworkBytes& bytes : usage.network) {
    out.push_back({{"class", bytes.kind},
                   {"received_bytes", bytes.received},
                   {"sent_bytes", bytes.sent},
                   {"lower_bound", bytes.lower_bound}});
  }
  return out;
}

Json gaps_json(const Bill& bill) {
  Json out = Json::array();
  for (const Gap& gap : bill.gaps) {
    out.push_back({{"device", gap.device},
                   {"start", iso_time(gap.started_wall)},
                   {"seconds", seconds(gap.length)},
                   {"reason", gap.reason}});
  }
  return out;
}

Json whole_bill(const Bill& bill) {
  const Run& run = bill.run;
  return {{"schema", "everywatt.run/1"},
          {"id", run.id},
          {"name", run.name},
          {"project", run.project},
          {"model", run.model},
          {"model_version", run.model_version},
          {"origin", run.origin},
          {"status", to_string(run.status)},
          {"parent", or_null(run.parent)},
          {"command", run.command},
          {"exit_status", or_null(run.exit_status)},
          {"ended_by", or_null(run.ended_by)},
          {"started", iso_time(run.started.wall)},
          {"ended", has_ended(run) ? Json(iso_time(run.ended->wall)) : Json(nullptr)},
          {"duration_seconds", seconds(bill.duration)},
          {"tags", Json(run.tags)},
          {"metrics", Json(run.metrics)},
          {"environment", Json(run.environment)},
          {"energy", energy_json(bill)},
          {"facility", facility_json(bill)},
          {"carbon", nullptr},
          {"cost", Json::array()},
          {"compute", compute_json(bill)},
          {"work", work_json(run.work, bill.energy.total)},
          {"process", process_json(run.usage)},
          {"phases", phases_json(bill)},
          {"bottleneck", bottleneck_json(run_bottleneck(bill))},
          {"ranks", ranks_json(bill)},
          {"stragglers", stragglers_json(bill)},
          {"forecast", forecast_json(bill)},
          {"network", network_json(run.usage)},
          {"gaps", gaps_json(bill)},
          {"notices", run.notices},
          {"overhead",
           {{"cpu_seconds", seconds(run.overhead.cpu_time)},
            {"peak_rss_bytes", run.overhead.peak_rss_bytes},
            {"marks_dropped", run.overhead.marks_dropped}}}};
}

// Names and commands may hold any bytes; what is no UTF-8 is replaced, not refused.
std::string written(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string bill_json(const Bill& bill) { return written(whole_bill(bill)); }

std::string bills_json(const std::vector<Bill>& bills) {
  Json runs = Json::array();
  for (const Bill& bill : bills) runs.push_back(whole_bill(bill));
  return written({{"schema", "everywatt.export/1"}, {"runs", runs}});
}

}  // namespace everywatt
