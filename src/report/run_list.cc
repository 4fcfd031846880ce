#include "report/run_list.h"

#include <nlohmann/json.hpp>

#include "report/format.h"

namespace everywatt {
namespace {

Nanoseconds duration_of(const RunSummary& run) { return run.ended ? run.ended->steady - run.started.steady : 0; }

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
  for (const RunSummary& run : runs) {
    out += pad_right(run.id, 12) + pad_right(local_time(run.started.wall), 18) + pad_right(fit(run.name, 19), 20) +
           painted_status(run.status, style) + pad_left(show_duration(duration_of(run)), 11) +
           pad_left(run.total ? show_energy(*run.total) : "—", 10) + "\n";
  }
  return out;
}

// A run a line, each written by itself, all through one object: a document of
// ten thousand would cost more than reading them.
std::string run_list_json(const std::vector<RunSummary>& runs) {
  using Json = nlohmann::ordered_json;
  const auto joules = [](const std::optional<MicroJoules>& energy) {
    return energy ? Json(static_cast<double>(*energy) / 1e6) : Json(nullptr);
  };
  std::string out = "{\n  \"schema\": \"everywatt.runs/1\",\n  \"runs\": [";
  Json row;
  for (const RunSummary& run : runs) {
    const bool ended = run.ended && run.status != RunStatus::running && run.status != RunStatus::lost;
    row["id"] = run.id;
    row["name"] = run.name;
    row["project"] = run.project;
    row["model"] = run.model;
    row["status"] = to_string(run.status);
    row["parent"] = run.parent ? Json(*run.parent) : Json(nullptr);
    row["started"] = iso_time(run.started.wall);
    row["ended"] = ended ? Json(iso_time(run.ended->wall)) : Json(nullptr);
    row["duration_seconds"] = static_cast<double>(duration_of(run)) / 1e9;
    row["total_joules"] = joules(run.total);
    row["measured_joules"] = joules(run.measured);
    out += &run == &runs.front() ? "\n    " : ",\n    ";
    out += row.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return out + (runs.empty() ? "]\n}\n" : "\n  ]\n}\n");
}

}  // namespace everywatt
