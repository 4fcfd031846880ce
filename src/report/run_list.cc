#include "report/run_list.h"

#include <nlohmann/json.hpp>

#include "report/format.h"

namespace everywatt {
namespace {

Nanoseconds duration_of(const Run& run) { return run.ended ? run.ended->steady - run.started.steady : 0; }

std::string painted_status(RunStatus status, const Style& style) {
  const std::string text = pad_right(to_string(status), 9);
  if (status == RunStatus::running) return style.good(text);
  return status == RunStatus::finished ? text : style.warning(text);
}

}  // namespace

std::string run_list_text(const std::vector<RunSummary>& runs, const Style& style) {
  if (runs.empty()) return "no runs\n";
  std::string out = style.faint(pad_right("run", 12) + pad_right("started", 18) + pad_right("name", 20) +
                                pad_right("status", 9) + pad_left("time", 11) + pad_left("energy", 10)) +
                    "\n";
  for (const RunSummary& summary : runs) {
    const Run& run = summary.run;
    out += pad_right(run.id, 12) + pad_right(local_time(run.started.wall), 18) + pad_right(fit(run.name, 19), 20) +
           painted_status(run.status, style) + pad_left(show_duration(duration_of(run)), 11) +
           pad_left(summary.total ? show_energy(*summary.total) : "—", 10) + "\n";
  }
  return out;
}

std::string run_list_json(const std::vector<RunSummary>& runs) {
  using Json = nlohmann::ordered_json;
  Json list = Json::array();
  for (const RunSummary& summary : runs) {
    const Run& run = summary.run;
    const auto joules = [](const std::optional<MicroJoules>& energy) {
      return energy ? Json(static_cast<double>(*energy) / 1e6) : Json(nullptr);
    };
    const bool ended = run.ended && run.status != RunStatus::running && run.status != RunStatus::lost;
    list.push_back({{"id", run.id},
                    {"name", run.name},
                    {"project", run.project},
                    {"model", run.model},
                    {"status", to_string(run.status)},
                    {"parent", run.parent ? Json(*run.parent) : Json(nullptr)},
                    {"started", iso_time(run.started.wall)},
                    {"ended", ended ? Json(iso_time(run.ended->wall)) : Json(nullptr)},
                    {"duration_seconds", static_cast<double>(duration_of(run)) / 1e9},
                    {"total_joules", joules(summary.total)},
                    {"measured_joules", joules(summary.measured)}});
  }
  const Json out{{"schema", "everywatt.runs/1"}, {"runs", list}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace everywatt
