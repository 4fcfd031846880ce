#include "export/mlflow.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace everywatt {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostEntities = 500;  // of one batch: half of what is allowed, and far below a megabyte
constexpr std::size_t kMostTags = 100;
constexpr std::size_t kLongestKey = 250;
constexpr std::size_t kLongestTagValue = 5000;  // of servers before 2.9; later ones take 8000

double joules(MicroJoules energy) { return static_cast<double>(energy) / 1e6; }

std::int64_t milliseconds(Nanoseconds wall) { return wall / kMillisecond; }

// Cut at a character's end: what is sent is UTF-8.
std::string shortened(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text;
}

class Figures {
 public:
  Figures(std::int64_t timestamp_ms, std::int64_t step) : timestamp_ms_{timestamp_ms}, step_{step} {}
  void add(std::string_view key, double value) {
    if (std::isfinite(value)) metrics_.push_back({mlflow_key(key), value, timestamp_ms_, step_});
  }
  void add_joules(std::string_view key, const std::optional<MicroJoules>& energy) {
    if (energy) add(key, joules(*energy));
  }
  [[nodiscard]] std::vector<MlflowMetric> take() { return std::move(metrics_); }

 private:
  std::int64_t timestamp_ms_;
  std::int64_t step_;
  std::vector<MlflowMetric> metrics_ = {};
};

void add_by_kind(Figures& figures, const Bill& bill) {
  std::map<DeviceKind, MicroJoules> by_kind;
  for (const DeviceBill& device : bill.devices) {
    if (device.record.counted && device.energy.total) by_kind[device.record.device.kind] += *device.energy.total;
  }
  for (const auto& [kind, energy] : by_kind)
    figures.add("energy/" + std::string{to_string(kind)} + "_joules", joules(energy));
}

// What the job counted, and what one of each cost.
void add_work(Figures& figures, const Bill& bill) {
  for (const auto& [what, amount] : bill.run.work) {
    figures.add("work/" + what, amount);
    if (amount > 0 && bill.energy.total && what.ends_with('s') && !what.starts_with("flops"))
      figures.add("energy/joules_per_" + what.substr(0, what.size() - 1), joules(*bill.energy.total) / amount);
  }
}

// "package:0 counter, dram:0 modelled"
std::string methods_of(const Bill& bill) {
  std::string out;
  for (const DeviceBill& device : bill.devices) {
    if (!device.record.counted) continue;
    const std::string how = device.record.method ? std::string{to_string(*device.record.method)} : "no figure";
    out += (out.empty() ? "" : ", ") + device.record.device.id + " " + how;
  }
  return out;
}

std::string number(double value) { return Json(value).dump(); }

}  // namespace

std::string mlflow_key(std::string_view name) {
  std::string key;
  for (const char c : name.substr(0, kLongestKey)) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    key += is_letter || std::string_view{"_-. /"}.contains(c) ? c : '_';
  }
  // A key is a path that is its own normal form: "a//b", "a/../b" and "/a" are refused.
  for (std::size_t i = 0; i < key.size(); ++i) {
    const bool begins_part = i == 0 || key[i - 1] == '/';
    if (begins_part && (key[i] == '/' || key[i] == '.')) key[i] = '_';
  }
  if (key.empty() || key.ends_with('/')) key += '_';
  return key;
}

std::vector<MlflowMetric> mlflow_live_metrics(const std::vector<EnergyTick>& ticks, Instant started) {
  std::vector<MlflowMetric> metrics;
  for (const EnergyTick& tick : ticks) {
    Figures figures{milliseconds(started.wall + tick.elapsed), tick.elapsed / kSecond};
    figures.add("energy/total_joules", joules(tick.total));
    for (const auto& [kind, power] : tick.power)
      figures.add("energy/" + std::string{to_string(kind)} + "_watts", power / watt);
    std::ranges::move(figures.take(), std::back_inserter(metrics));
  }
  return metrics;
}

std::vector<MlflowMetric> mlflow_final_metrics(const Bill& bill) {
  // One step after the last whole second: never the step of a live point.
  const std::int64_t step = bill.duration / kSecond + 1;
  Figures figures{milliseconds(bill.run.started.wall + bill.duration), step};
  const EnergyFigures& energy = bill.energy;
  figures.add_joules("energy/total_joules", energy.total);
  figures.add_joules("energy/busy_joules", energy.busy);
  figures.add_joules("energy/idle_joules", energy.idle);
  figures.add_joules("energy/measured_joules", energy.measured);
  figures.add_joules("energy/uncertainty_joules", energy.uncertainty);
  figures.add_joules("energy/total_uncertainty_joules", energy.total_uncertainty);
  if (energy.total) figures.add("energy/total_kwh", joules(*energy.total) * (joule / kilowatt_hour));
  if (bill.facility) figures.add("energy/facility_joules", joules(bill.facility->energy));
  figures.add("energy/duration_seconds", static_cast<double>(bill.duration) / 1e9);
  add_by_kind(figures, bill);
  add_work(figures, bill);
  return figures.take();
}

std::vector<MlflowTag> mlflow_tags(const Bill& bill) {
  std::vector<MlflowTag> tags{{"everywatt.run_id", bill.run.id},
                              {"everywatt.status", std::string{to_string(bill.run.status)}},
                              {"everywatt.boundary", bill.run.boundary},
                              {"everywatt.method", methods_of(bill)}};
  if (bill.energy.uncertainty)
    tags.push_back({"everywatt.uncertainty_joules", number(joules(*bill.energy.uncertainty))});
  if (bill.measured_fraction) tags.push_back({"everywatt.measured_fraction", number(*bill.measured_fraction)});
  for (MlflowTag& tag : tags) tag.value = shortened(std::move(tag.value), kLongestTagValue);
  return tags;
}

std::vector<std::string> mlflow_batches(const std::string& run_id, const std::vector<MlflowMetric>& metrics,
                                        const std::vector<MlflowTag>& tags) {
  std::vector<std::string> bodies;
  std::size_t metric = 0, tag = 0;
  while (metric < metrics.size() || tag < tags.size()) {
    Json body{{"run_id", run_id}, {"metrics", Json::array()}, {"tags", Json::array()}};
    for (; metric < metrics.size() && body["metrics"].size() < kMostEntities; ++metric) {
      const MlflowMetric& m = metrics[metric];
      body["metrics"].push_back({{"key", m.key}, {"value", m.value}, {"timestamp", m.timestamp_ms}, {"step", m.step}});
    }
    for (; tag < tags.size() && body["tags"].size() < kMostTags; ++tag)
      body["tags"].push_back({{"key", tags[tag].key}, {"value", tags[tag].value}});
    bodies.push_back(body.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return bodies;
}

}  // namespace everywatt
