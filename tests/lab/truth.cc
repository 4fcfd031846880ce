#include "tests/lab/truth.h"

#include <algorithm>

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

}  // namespace

std::vector<DeviceTruth> truth_of(const Scenario& scenario, Nanoseconds from, Nanoseconds to) {
  std::vector<DeviceTruth> devices;
  for (const Gpu& gpu : scenario.gpus) {
    devices.push_back(device_truth("gpu:" + gpu.uuid, gpu.true_power(), gpu.idle, from, to));
    share_out(gpu, from, to, devices.back());
    if (gpu.module) devices.push_back(device_truth("module:" + gpu.uuid, gpu.module->power, {}, from, to));
  }
  for (std::size_t i = 0; i < scenario.packages.size(); ++i) {
    const Package& package = scenario.packages[i];
    const std::string number = std::to_string(i);
    devices.push_back(device_truth("package:" + number, package.power, package.idle, from, to));
    if (package.dram) devices.push_back(device_truth("dram:" + number, *package.dram, package.dram_idle, from, to));
  }
  return devices;
}

}  // namespace everywatt::lab
