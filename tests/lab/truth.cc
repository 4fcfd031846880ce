#include "tests/lab/truth.h"

#include <algorithm>
#include <numeric>

namespace everywatt::lab {
namespace {

Duration span(Nanoseconds from, Nanoseconds to) { return static_cast<double>(to - from) * 1e-9 * second; }

DeviceTruth device_truth(std::string id, const PowerShape& power, Power idle, Nanoseconds from, Nanoseconds to) {
  DeviceTruth truth{.id = std::move(id)};
  truth.total = power.energy(from, to);
  truth.idle = idle * span(from, to);
  truth.busy = truth.total - truth.idle;
  return truth;
}

// Between two neighbours of these no process begins or ends.
std::vector<Nanoseconds> edges_of(const Gpu& gpu, Nanoseconds from, Nanoseconds to) {
  std::vector<Nanoseconds> edges{from, to};
  for (const Process& process : gpu.processes) {
    edges.push_back(std::clamp(process.life.from, from, to));
    edges.push_back(std::clamp(process.life.to, from, to));
  }
  std::ranges::sort(edges);
  edges.erase(std::ranges::unique(edges).begin(), edges.end());
  return edges;
}

void share_out(const Gpu& gpu, Nanoseconds from, Nanoseconds to, DeviceTruth& truth) {
  const auto edges = edges_of(gpu, from, to);
  for (std::size_t i = 1; i < edges.size(); ++i) {
    const Nanoseconds begin = edges[i - 1];
    const auto lives = [begin](const Process& process) { return process.life.contains(begin); };
    const Energy work = gpu.meters.power.energy(begin, edges[i]) - gpu.idle * span(begin, edges[i]);
    const auto holders = static_cast<double>(std::ranges::count_if(gpu.processes, lives));
    for (const Process& process : gpu.processes) {
      if (!lives(process)) continue;
      truth.processes[name_of(process.pid)] +=
          process.share * work + 1 / holders * (gpu.context * span(begin, edges[i]));
    }
  }
}

// What is booked is no linear function of power and utilisation: it is summed over
// cells of this length, within which both are taken for their mean.
constexpr Nanoseconds kCell = kMillisecond;
// Below this utilisation all that is drawn is idle draw (docs/formats/lab.md).
constexpr double kIdleBelow = 1.0 / 256;
constexpr double kSlices = 7;  // that a GPU can be cut into

AccountsTruth::Part divide(Energy drawn, double utilisation, Power floor, Duration length) {
  const Energy idle =
      utilisation < kIdleBelow ? drawn : std::clamp((1 - utilisation) * (floor * length), Energy{}, drawn);
  return {.idle = idle, .active = drawn - idle};
}

// While its floor is one.
AccountsTruth::Part divided(const PowerShape& power, const Shape& utilisation, Power floor, Nanoseconds from,
                            Nanoseconds to) {
  AccountsTruth::Part sum;
  for (Nanoseconds begin = from; begin < to; begin += kCell) {
    const Nanoseconds end = std::min(to, begin + kCell);
    sum +=
        divide(power.energy(begin, end), std::clamp(utilisation.mean(begin, end), 0.0, 1.0), floor, span(begin, end));
  }
  return sum;
}

std::vector<const Process*> living_at(const Gpu& gpu, Nanoseconds time) {
  std::vector<const Process*> living;
  for (const Process& process : gpu.processes) {
    if (process.life.contains(time)) living.push_back(&process);
  }
  return living;
}

// Of a GPU that is cut: an instance works for those who run in it, and its part of the idle draw is theirs.
AccountsTruth accounts_of_instances(const Gpu& gpu, Nanoseconds from, Nanoseconds to) {
  AccountsTruth accounts;
  const PowerShape power = gpu.true_power();
  const auto living = living_at(gpu, from);
  const Power floor = gpu.idle + (living.empty() ? Power{} : gpu.context);
  for (Nanoseconds begin = from; begin < to; begin += kCell) {
    const Nanoseconds end = std::min(to, begin + kCell);
    std::vector<double> works;
    for (const MigInstance& instance : gpu.instances)
      works.push_back(instance.compute_slices / kSlices * std::clamp(instance.utilisation.mean(begin, end), 0.0, 1.0));
    const double worked = std::accumulate(works.begin(), works.end(), 0.0);
    const auto part = divide(power.energy(begin, end), worked, floor, span(begin, end));
    accounts.whole += part;
    for (std::size_t i = 0; i < works.size(); ++i) {
      const MigInstance& instance = gpu.instances[i];
      const auto runs_there = [&](const Process* process) { return process->instance == instance.gpu_instance; };
      const auto count = static_cast<double>(std::ranges::count_if(living, runs_there));
      for (const Process* process : living) {
        if (!runs_there(process)) continue;
        accounts.processes[name_of(process->pid)] +=
            {.idle = instance.compute_slices / kSlices / count * part.idle,
             .active = (worked > 0 ? works[i] / worked / count : 0) * part.active};
      }
    }
  }
  return accounts;
}

AccountsTruth& operator+=(AccountsTruth& sum, const AccountsTruth& more) {
  sum.whole += more.whole;
  for (const auto& [process, part] : more.processes) sum.processes[process] += part;
  return sum;
}

}  // namespace

AccountsTruth accounts_of(const Gpu& gpu, Nanoseconds from, Nanoseconds to) {
  AccountsTruth accounts;
  const PowerShape power = gpu.true_power();
  const auto edges = edges_of(gpu, from, to);
  for (std::size_t i = 1; i < edges.size(); ++i) {
    if (gpu.is_mig) {
      accounts += accounts_of_instances(gpu, edges[i - 1], edges[i]);
      continue;
    }
    auto living = living_at(gpu, edges[i - 1]);
    // The server of MPS holds its context for its clients.
    std::erase_if(living, [](const Process* process) { return process->name == kMpsServer; });
    double shares = 0;
    for (const Process* process : living) shares += process->share;
    const Power floor = gpu.idle + (living.empty() ? Power{} : gpu.context);
    const AccountsTruth::Part part = divided(power, gpu.utilisation, floor, edges[i - 1], edges[i]);
    accounts.whole += part;
    const double even = 1 / static_cast<double>(living.size());
    for (const Process* process : living)
      accounts.processes[name_of(process->pid)] +=
          {.idle = even * part.idle, .active = (shares > 0 ? process->share / shares : even) * part.active};
  }
  return accounts;
}

std::vector<DeviceTruth> truth_of(const Scenario& scenario, Nanoseconds from, Nanoseconds to) {
  std::vector<DeviceTruth> devices;
  for (const Gpu& gpu : scenario.gpus) {
    devices.push_back(device_truth("gpu:" + gpu.uuid, gpu.true_power(), gpu.idle, from, to));
    share_out(gpu, from, to, devices.back());
    devices.back().accounts = accounts_of(gpu, from, to);
    if (gpu.module) devices.push_back(device_truth("module:" + gpu.uuid, gpu.module->power, {}, from, to));
  }
  for (std::size_t i = 0; i < scenario.packages.size(); ++i) {
    const Package& package = scenario.packages[i];
    const std::string number = std::to_string(i);
    devices.push_back(device_truth("package:" + number, package.power, package.idle, from, to));
    devices.back().accounts = {.whole = divided(package.power, package.utilisation, package.idle, from, to)};
    if (!package.dram) continue;
    devices.push_back(device_truth("dram:" + number, *package.dram, package.dram_idle, from, to));
    devices.back().accounts = {.whole = divided(*package.dram, package.utilisation, package.dram_idle, from, to)};
  }
  return devices;
}

}  // namespace everywatt::lab
