// For tests: a GPU and a run that reads it, in virtual time.
#pragma once
#include <algorithm>
#include <map>

#include "meter/meter.h"

namespace everywatt {

inline constexpr std::string_view kGpu = "gpu:GPU-1";

inline double joules(MicroJoules energy) { return static_cast<double>(energy) / 1e6; }

// One GPU that draws 100 W idle and 300 W at work, read ten times a second by one run.
class GpuMachine {
 public:
  explicit GpuMachine(std::vector<Tenant> tenants = {}) : tenants_{std::move(tenants)} {
    inventory_.devices = {{.id = std::string{kGpu}, .kind = DeviceKind::gpu, .index = 0}};
    inventory_.channels = {{.device = std::string{kGpu}, .kind = ChannelKind::energy, .sensor = "counter"},
                           {.device = std::string{kGpu}, .kind = ChannelKind::utilisation},
                           {.device = std::string{kGpu}, .kind = ChannelKind::context}};
    if (tenants_.empty()) tenants_ = {{.run = "us", .from = 0}};
    begin();
  }

  // A second sensor: instant power, the mean over `window`.
  void with_power(Nanoseconds window = kSecond / 10) {
    inventory_.channels.push_back({.device = std::string{kGpu},
                                   .kind = ChannelKind::power,
                                   .method = Method::integrated,
                                   .sensor = "power",
                                   .period = kSecond / 10,
                                   .window = window});
    begin();
  }
  void shows_no_processes() {
    inventory_.channels.pop_back();
    begin();
  }
  // Until then its energy alone is read.
  void tells_of_work_from(Nanoseconds time) {
    tells_from_ = time;
    begin();
  }
  // Windows end with the seconds, whenever a run begins.
  void begins_at(Nanoseconds time) {
    now_ = time;
    begin();
  }
  // The counter shows this part of what is drawn while nobody works.
  void count_low_at_idle(double part) { part_at_idle_ = part; }

  void begin_phase(std::string name) {
    meter_->phases().take(
        {.time = now_, .lane = {.process = {.pid = 1}, .thread = 1}, .what = PhaseBegin{1, std::move(name)}});
  }

  // `worked`: of the device by process; the rest of the time it is idle.
  void pass(int seconds, const std::map<std::int64_t, double>& worked, const std::vector<std::int64_t>& contexts) {
    for (int i = 0; i < 10 * seconds; ++i) pass_tenth(worked, contexts);
  }
  // A tenth of a second, and a look at its end.
  void pass_tenth(const std::map<std::int64_t, double>& worked, const std::vector<std::int64_t>& contexts) {
    now_ += kSecond / 10;
    double all = 0;
    for (const auto& [pid, share] : worked) all += share;
    watts_ = 100 + 200 * all;
    energy_ += static_cast<std::uint64_t>(watts_ * 1e5 * (all > 0 ? 1 : part_at_idle_));
    read(worked, contexts);
    if (now_ % kSecond == 0) keep(meter_->close_window({.until = {now_, now_}, .tenants = tenants_}));
  }

  void counter_is_renewed_every(Nanoseconds period) {
    inventory_.channels[0].period = period;
    begin();
  }
  Accounts so_far() const { return booked_; }
  // Of the device's energy, for who books anew.
  const std::vector<SeriesPoint>& series() const { return series_; }
  MicroJoules in_phase(const std::string& phase) const {
    const auto found = phases_.find(phase);
    return found == phases_.end() ? 0 : found->second;
  }

  Accounts end() {
    keep(meter_->finish({.until = {now_, now_}, .tenants = tenants_}));
    return booked_;
  }
  DeviceRecord record() const { return meter_->records().front(); }

 private:
  void begin() {
    const Inventory* all[] = {&inventory_};
    MeterOptions options{.run = "us"};
    options.floors[std::string{kGpu}] = {.power = 100.0 * watt, .method = FloorMethod::envelope, .windows = 9};
    meter_.emplace(all, std::move(options));
    meter_->set_owner_of([](std::int64_t pid) {
      return pid < 100 ? Owner::run : pid < 200 ? Owner::others : Owner::unknown;
    });
    read({}, {});
    meter_->begin({.steady = now_, .wall = now_});
  }

  void read(const std::map<std::int64_t, double>& worked, const std::vector<std::int64_t>& contexts) {
    std::vector<Reading> readings{{.channel = 0, .raw = energy_}};
    if (now_ < tells_from_) return meter_->take(0, {now_, now_}, readings);
    double all = 0;
    for (const auto& [pid, share] : worked) all += share;
    readings.push_back({.channel = 1, .raw = static_cast<std::uint64_t>(all * 1e6)});
    for (const auto& [pid, share] : worked)
      readings.push_back({.channel = 1, .raw = static_cast<std::uint64_t>(share * 1e6), .pid = pid});
    for (const std::int64_t pid : contexts) readings.push_back({.channel = 2, .raw = 1, .pid = pid});
    readings.push_back({.channel = 2, .raw = contexts.size()});
    if (inventory_.channels.size() > 3)
      readings.push_back({.channel = 3, .raw = static_cast<std::uint64_t>(watts_ * 1e6)});
    meter_->take(0, {now_, now_}, readings);
  }

  void keep(const RunDelta& delta) {
    for (const Entry& entry : delta.entries) {
      phases_[entry.phase] += entry.energy;
      booked_[entry.account] += entry.energy;
    }
    for (const RunDelta::Series& series : delta.series)
      std::ranges::copy(series.points[Track::energy], std::back_inserter(series_));
  }

  Inventory inventory_;
  std::vector<Tenant> tenants_;
  std::optional<Meter> meter_;
  Nanoseconds now_ = 0;
  std::uint64_t energy_ = 0;
  double watts_ = 100;
  double part_at_idle_ = 1;
  Nanoseconds tells_from_ = 0;
  Accounts booked_;
  std::map<std::string, MicroJoules> phases_;
  std::vector<SeriesPoint> series_;
};

}  // namespace everywatt
