#include "tests/lab/usual_gpus.h"

#include <algorithm>

namespace everywatt::lab {
namespace {

using nvml::Architecture;

struct Board {
  std::string_view name;  // a part of NVML's name
  Architecture architecture;
  std::array<int, 2> compute_capability;
  std::uint64_t memory_mib;
  double limit_watts;
  double least_limit_watts;
  std::uint32_t graphics_mhz;
  std::uint32_t memory_mhz;
  std::uint32_t memory_bits;
  int idle_pstate;  // as nvidia-smi shows it: accelerators for data centres mostly stay at P0
};

// From the makers' datasheets; the first whose name fits.
constexpr Board kBoards[] = {
    {"GH200", Architecture::hopper, {9, 0}, 97871, 900, 200, 1980, 2619, 6144, 0},
    {"H200", Architecture::hopper, {9, 0}, 143771, 700, 200, 1980, 3201, 6144, 0},
    {"H100 PCIe", Architecture::hopper, {9, 0}, 81559, 350, 200, 1755, 1593, 5120, 0},
    {"H100", Architecture::hopper, {9, 0}, 81559, 700, 200, 1980, 2619, 5120, 0},
    {"B200", Architecture::blackwell, {10, 0}, 183359, 1000, 200, 1965, 3996, 8192, 0},
    {"A100-SXM4-80GB", Architecture::ampere, {8, 0}, 81920, 400, 100, 1410, 1593, 5120, 0},
    {"A100", Architecture::ampere, {8, 0}, 40960, 400, 100, 1410, 1215, 5120, 0},
    {"A10G", Architecture::ampere, {8, 6}, 23028, 300, 100, 1710, 6251, 384, 8},
    {"RTX 3090", Architecture::ampere, {8, 6}, 24576, 350, 100, 1695, 9751, 384, 8},
    {"RTX 4090", Architecture::ada, {8, 9}, 24564, 450, 10, 2520, 10501, 384, 8},
    {"L4", Architecture::ada, {8, 9}, 23034, 72, 40, 2040, 6251, 192, 8},
    {"V100", Architecture::volta, {7, 0}, 16384, 300, 150, 1530, 877, 4096, 0},
    {"T4", Architecture::turing, {7, 5}, 15360, 70, 60, 1590, 5001, 256, 8},
    {"P100", Architecture::pascal, {6, 0}, 16384, 250, 125, 1328, 715, 4096, 0},
    {"K40", Architecture::kepler, {3, 5}, 11520, 235, 180, 745, 3004, 384, 8},
    {"K80", Architecture::kepler, {3, 7}, 11520, 149, 100, 562, 2505, 384, 8},
};

Sensor averaged(int window_ms, int period_ms) {
  return {.window = window_ms * kMillisecond, .period = period_ms * kMillisecond, .quantum = 1e-3 * watt};
}

// Kepler and Maxwell follow exponentially; the constant by their rise of 100 ms
// and more between 10 and 90 % (2.2 time constants).
Sensor following() {
  return {.period = 100 * kMillisecond, .quantum = 1e-3 * watt, .time_constant = 50 * kMillisecond};
}

bool is_ga100(const Gpu& gpu) {
  return gpu.architecture == Architecture::ampere && gpu.compute_capability == std::array{8, 0};
}

}  // namespace

void set_usual_board(Gpu& gpu) {
  const auto* board = std::ranges::find_if(
      kBoards, [&](const Board& candidate) { return gpu.name.find(candidate.name) != std::string::npos; });
  if (board == std::end(kBoards)) return;
  gpu.architecture = board->architecture;
  gpu.compute_capability = board->compute_capability;
  gpu.memory_mib = board->memory_mib;
  gpu.memory_bus_bits = board->memory_bits;
  gpu.limit = board->limit_watts * watt;
  gpu.least_limit = board->least_limit_watts * watt;
  gpu.busy_clocks = {board->graphics_mhz, board->graphics_mhz, board->memory_mhz};
  gpu.idle_pstate = board->idle_pstate;
  gpu.idle_clocks[2] = std::min(gpu.idle_clocks[2], board->memory_mhz);
}

void set_usual_sensors(Gpu& gpu, unsigned driver_major) {
  Meters& meters = gpu.meters;
  meters.instant.reset();
  meters.average.reset();
  meters.counter.reset();
  switch (gpu.architecture) {
    case Architecture::kepler:
    case Architecture::maxwell:
      meters.usage = following();
      return;
    case Architecture::pascal:
      meters.usage = averaged(10, 20);
      break;
    case Architecture::volta:
      meters.usage = averaged(10, 20);
      meters.counter = CounterSensor{.period = 20 * kMillisecond};
      break;
    case Architecture::turing:
      meters.usage = averaged(100, 100);
      meters.counter = CounterSensor{};
      break;
    case Architecture::ampere:
    case Architecture::ada:
    default:
      meters.usage = is_ga100(gpu) ? averaged(25, 100) : driver_major == 530 ? averaged(100, 100) : averaged(1000, 100);
      meters.counter = CounterSensor{};
  }
  if (driver_major < 530) return;  // fields 185 and 186 are not known yet
  const bool is_part_time = is_ga100(gpu) || gpu.architecture >= Architecture::hopper;
  const bool is_fast = gpu.architecture == Architecture::pascal || gpu.architecture == Architecture::volta;
  meters.instant = is_part_time ? averaged(25, 100) : is_fast ? averaged(10, 20) : averaged(100, 100);
  if (gpu.architecture >= Architecture::ampere && !is_ga100(gpu)) meters.average = averaged(1000, 100);
}

}  // namespace everywatt::lab
