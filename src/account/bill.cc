#include "account/bill.h"

#include <algorithm>
#include <cmath>

#include "account/bill_compute.h"
#include "model/phase.h"

namespace everywatt {
namespace {

// Two standard uncertainties are the half-width of a 95 % interval (JCGM 100:2008, 6.3.3).
constexpr double kCoverageFactor = 2;

// Of a floor, relative (k = 1): one that was guessed lies anywhere between nothing and twice what it was taken for
// (meter/floor.h); fitted ones were within 62 % in 95 % of the runs (docs/measurements/accuracy.md).
constexpr double kGuessedFloor = 0.58;
constexpr double kFittedFloor = 0.31;
// Of what a slice of a GPU is taken to have drawn by its size alone, relative (k = 1): as likely half as much again as
// half as much, 0.5 / √3. A model that knows no utilisation of the slices does not carry from one workload to another
// (arXiv 2501.17752).
constexpr double kBySlice = 0.29;
// Between two words of a driver on whose process worked (docs/measurements/gpu-nvidia-h100-80gb-hbm3.md).
constexpr Nanoseconds kBetweenWords = 200 * kMillisecond;

std::map<std::string, Accounts> accounts_by_device(const std::vector<Entry>& entries) {
  std::map<std::string, Accounts> by_device;
  for (const Entry& entry : entries) by_device[entry.device][entry.account] += entry.energy;
  return by_device;
}

MicroJoules expand(double standard) { return std::llround(kCoverageFactor * standard); }

// What is charged has its share of the errors of what was measured.
double charged_share(const EnergyFigures& figures) {
  const auto measured = static_cast<double>(figures.measured.value_or(0));
  return measured > 0 ? static_cast<double>(figures.total.value_or(0)) / measured : 0;
}

bool has_flag(const DeviceRecord& record, std::string_view flag) {
  return std::ranges::find(record.flags, flag) != record.flags.end();
}

// What is not known of the floor: as much as is taken for work and is idle draw, or the
// other way round, is charged by the run's share of the one in place of its share of
// the other. Standard uncertainty in microjoules.
double floor_error(const DeviceRecord& record, const EnergyFigures& figures, Nanoseconds duration) {
  const bool is_near = has_flag(record, "floor:regression") || has_flag(record, "floor:other-state");
  const double relative = has_flag(record, "floor:prior") ? kGuessedFloor : is_near ? kFittedFloor : 0;
  if (relative <= 0 || duration <= 0 || record.reserved_time <= 0) return 0;
  const double reserved = std::min(1.0, static_cast<double>(record.reserved_time) / static_cast<double>(duration));
  const double idle = static_cast<double>(figures.idle.value_or(0)) / reserved;
  const double active = static_cast<double>(figures.measured.value_or(0)) - idle;
  const double worked = active > 0 ? static_cast<double>(figures.busy.value_or(0)) / active : 0;
  return relative * idle * std::abs(reserved - std::min(worked, 1.0));
}

// Of a GPU on which others worked too the driver names, some times a second, one process: as chance has it that may be
// one that worked for less. Of n such words of which a share p is the run's, p is known to √(p (1 - p) / n).
double sampling_error(const DeviceRecord& record, const EnergyFigures& figures) {
  const double ours = static_cast<double>(figures.busy.value_or(0)),
               others = static_cast<double>(figures.other.value_or(0));
  if (!has_flag(record, "divided-by-samples") || ours <= 0 || others <= 0) return 0;
  const double share = ours / (ours + others);
  const double worked = static_cast<double>(record.busy_time) / share;
  const double words = std::max(1.0, worked / static_cast<double>(kBetweenWords));
  return (ours + others) * std::sqrt(share * (1 - share) / words);
}

// What is not known of how the device's energy is divided.
double division_error(const DeviceRecord& record, const EnergyFigures& figures, Nanoseconds duration) {
  const double of_slice =
      has_flag(record, "mig:by-share") ? kBySlice * static_cast<double>(figures.total.value_or(0)) : 0;
  return std::hypot(floor_error(record, figures, duration), sampling_error(record, figures), of_slice);
}

EnergyFigures figures_of(const DeviceRecord& record, const Accounts& accounts, Nanoseconds duration) {
  EnergyFigures figures;
  if (!record.measured) return figures;
  figures.measured = accounts.measured();
  figures.total = accounts.total();
  figures.busy = accounts.busy;
  if (record.utilisation_known) figures.idle = accounts.idle;
  figures.other = accounts.other;
  figures.unattributed = accounts.unattributed;
  const auto random = static_cast<double>(record.uncertainty_random);
  const auto systematic = static_cast<double>(record.uncertainty_systematic);
  figures.uncertainty = expand(std::hypot(random, systematic));
  figures.uncertainty_systematic = expand(systematic);
  figures.total_uncertainty = expand(std::hypot(random * charged_share(figures), systematic * charged_share(figures),
                                                division_error(record, figures, duration)));
  return figures;
}

void add(std::optional<MicroJoules>& sum, const std::optional<MicroJoules>& part) {
  if (part) sum = sum.value_or(0) + *part;
}

// Errors of one sensor family go together and add up; different ones are independent.
struct ErrorSum {
  double random = 0;  // squares
  std::map<std::string, double> systematic = {};

  void add(const DeviceRecord& record, double share) {
    random += std::pow(share * static_cast<double>(record.uncertainty_random), 2);
    const std::string& key = record.correlation.empty() ? record.device.id : record.correlation;
    systematic[key] += share * static_cast<double>(record.uncertainty_systematic);
  }
  [[nodiscard]] double systematic_squares() const {
    double squares = 0;
    for (const auto& [key, value] : systematic) squares += value * value;
    return squares;
  }
  [[nodiscard]] double whole() const { return std::sqrt(random + systematic_squares()); }
};

void add_uncertainty(EnergyFigures& sum, const std::vector<DeviceBill>& devices, Nanoseconds duration) {
  ErrorSum of_measured, of_total;
  bool any = false;
  for (const DeviceBill& device : devices) {
    if (!device.record.counted || !device.record.measured) continue;
    any = true;
    of_measured.add(device.record, 1);
    of_total.add(device.record, charged_share(device.energy));
    of_total.random += std::pow(division_error(device.record, device.energy, duration), 2);
  }
  if (!any) return;
  sum.uncertainty = expand(of_measured.whole());
  sum.uncertainty_systematic = expand(std::sqrt(of_measured.systematic_squares()));
  sum.total_uncertainty = expand(of_total.whole());
}

EnergyFigures sum_of(const std::vector<DeviceBill>& devices, Nanoseconds duration) {
  EnergyFigures sum;
  for (const DeviceBill& device : devices) {
    if (!device.record.counted) continue;
    add(sum.measured, device.energy.measured);
    add(sum.total, device.energy.total);
    add(sum.busy, device.energy.busy);
    add(sum.idle, device.energy.idle);
    add(sum.other, device.energy.other);
    add(sum.unattributed, device.energy.unattributed);
  }
  add_uncertainty(sum, devices, duration);
  return sum;
}

std::optional<double> measured_fraction(const std::vector<DeviceBill>& devices, const EnergyFigures& sum) {
  if (!sum.measured || *sum.measured == 0) return std::nullopt;
  MicroJoules by_sensors = 0;
  for (const DeviceBill& device : devices) {
    const bool sensed = device.record.method == Method::counter || device.record.method == Method::integrated;
    if (device.record.counted && sensed) by_sensors += device.energy.measured.value_or(0);
  }
  return static_cast<double>(by_sensors) / static_cast<double>(*sum.measured);
}

// What the node's own meter says beyond its counted components: board, fans, disks, power supply.
void add_rest_of_node(std::vector<DeviceBill>& devices, const EnergyFigures& components) {
  const auto is_meter = [](DeviceKind kind) {
    return
        [kind](const DeviceBill& d) { return d.record.device.kind == kind && !d.record.counted && d.energy.measured; };
  };
  auto node = std::ranges::find_if(devices, is_meter(DeviceKind::node));
  if (node == devices.end()) node = std::ranges::find_if(devices, is_meter(DeviceKind::psys));
  if (node == devices.end() || !components.measured) return;

  const MicroJoules rest = *node->energy.measured - *components.measured;
  const double uncertainty = std::hypot(static_cast<double>(node->energy.uncertainty.value_or(0)),
                                        static_cast<double>(components.uncertainty.value_or(0)));
  DeviceBill row;
  row.record = {.device = {.id = "rest_of_node", .kind = DeviceKind::rest_of_node, .parent = node->record.device.id},
                .counted = false,
                .method = node->record.method,
                .sensor = node->record.sensor};
  row.coverage = node->coverage;
  if (rest < 0 && static_cast<double>(-rest) > uncertainty) {
    row.record.flags.push_back("below-components");
    row.record.reason = node->record.device.id + " reads less than the components it contains";
  }
  row.energy.measured = row.energy.unattributed = std::max<MicroJoules>(rest, 0);
  row.energy.uncertainty = std::llround(uncertainty);
  devices.push_back(std::move(row));
}

std::vector<PhaseBill> phases_of(const RunRecord& record, Nanoseconds duration) {
  std::map<std::string, PhaseBill> by_path;
  by_path[""] = {.path = "", .count = 1, .duration = duration};
  for (const PhaseStat& stat : record.phases) {
    by_path[stat.path] = {.path = stat.path, .count = stat.count, .duration = stat.duration};
    const bool is_outermost = std::ranges::none_of(record.phases, [&](const PhaseStat& other) {
      return other.path != stat.path && lies_within(stat.path, other.path);
    });
    if (is_outermost) by_path[""].duration -= stat.duration;
  }
  by_path[""].duration = std::max<Nanoseconds>(by_path[""].duration, 0);
  std::map<std::string, bool> counted;
  for (const DeviceRecord& device : record.devices) counted[device.device.id] = device.counted;
  for (const Entry& entry : record.entries) {
    if (!counted[entry.device] || (entry.account != Account::busy && entry.account != Account::idle)) continue;
    by_path[entry.phase].path = entry.phase;
    by_path[entry.phase].self += entry.energy;
  }
  std::vector<PhaseBill> phases;
  for (auto& [path, phase] : by_path) {
    for (const auto& [other, part] : by_path) phase.energy += lies_within(other, path) ? part.self : 0;
    if (!path.empty()) phase.times = times_of(record.spans, path);
    phases.push_back(phase);
  }
  return phases;
}

}  // namespace

Bill bill_of(RunRecord record, std::optional<Instant> until) {
  Bill bill{.run = record.run};
  const Instant end = record.run.ended.value_or(until.value_or(record.run.started));
  bill.duration = std::max<Nanoseconds>(end.steady - record.run.started.steady, 0);
  const auto accounts = accounts_by_device(record.entries);
  for (const DeviceRecord& device : record.devices) {
    const auto found = accounts.find(device.device.id);
    DeviceBill row{.record = device,
                   .energy = figures_of(device, found == accounts.end() ? Accounts{} : found->second, bill.duration)};
    if (bill.duration > 0) {
      row.coverage = std::min(1.0, static_cast<double>(device.observed) / static_cast<double>(bill.duration));
    }
    bill.devices.push_back(std::move(row));
  }
  bill.energy = sum_of(bill.devices, bill.duration);
  bill.measured_fraction = measured_fraction(bill.devices, bill.energy);
  if (record.run.boundary == "components") add_rest_of_node(bill.devices, bill.energy);
  bill.phases = phases_of(record, bill.duration);
  add_compute(bill, record);
  bill.gaps = std::move(record.gaps);
  bill.ranks = std::move(record.ranks);
  bill.phase_quantities = std::move(record.phase_quantities);
  return bill;
}

}  // namespace everywatt
