#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/text.h"
#include "tests/lab/scenario_parse.h"
#include "tests/lab/usual_gpus.h"
#include "tests/lab/words.h"

namespace everywatt::lab {
namespace {

void parse_sensor(Table table, Sensor& sensor) {
  sensor.window = table.milliseconds("window_ms", sensor.window);
  sensor.period = table.milliseconds("period_ms", sensor.period);
  sensor.phase = table.milliseconds("phase_ms", sensor.phase);
  sensor.gain = table.number("gain", sensor.gain);
  sensor.offset = table.watts("offset_watts", sensor.offset);
  sensor.quantum = table.watts("quantum_watts", sensor.quantum);
  sensor.time_constant = table.milliseconds("time_constant_ms", sensor.time_constant);
  sensor.dropouts = table.intervals("dropouts_s");
  table.close();
}

void parse_sensor_if_there(Table& table, std::string_view key, std::optional<Sensor>& sensor) {
  if (table.is_off(key)) {
    sensor.reset();
  } else if (auto inner = table.table(key)) {
    if (!sensor) sensor = Sensor{.window = 100 * kMillisecond, .period = 100 * kMillisecond};
    parse_sensor(*std::move(inner), *sensor);
  }
}

void parse_counter(Table table, CounterSensor& counter) {
  counter.period = table.milliseconds("period_ms", counter.period);
  counter.phase = table.milliseconds("phase_ms", counter.phase);
  counter.window = table.milliseconds("window_ms", counter.window);
  counter.gain = table.number("gain", counter.gain);
  counter.offset = table.watts("offset_watts", counter.offset);
  counter.unit = table.number("unit_mj", counter.unit / (1e-3 * joule)) * (1e-3 * joule);
  if (!(counter.unit > Energy{})) table.refuse("unit_mj", "must be above 0");
  counter.start = table.whole("start", counter.start);
  counter.range = table.whole("range", counter.range);
  counter.quantum = table.whole("quantum", counter.quantum);
  if (counter.quantum == 0) table.refuse("quantum", "must be above 0");
  for (const double reset : table.numbers("resets_s")) counter.resets.push_back(std::llround(reset * 1e9));
  std::ranges::sort(counter.resets);
  counter.low_below = table.watts("low_below_watts", counter.low_below);
  counter.low_factor = table.number("low_factor", counter.low_factor);
  if (counter.period <= 0 && (counter.low_factor != 1 || counter.window > 0))
    table.refuse("period_ms", "must be above 0 where there is low_factor or window_ms");
  table.close();
}

void parse_meters(Table& table, Meters& meters) {
  parse_sensor_if_there(table, "instant", meters.instant);
  parse_sensor_if_there(table, "average", meters.average);
  if (table.is_off("counter")) {
    meters.counter.reset();
  } else if (auto inner = table.table("counter")) {
    if (!meters.counter) meters.counter = CounterSensor{};
    parse_counter(*std::move(inner), *meters.counter);
  }
}

PowerShape parse_power(Table& table, const std::string& of) {
  if (!table.has("watts")) table.refuse("", of + " needs its true power over time: watts = 300");
  const PowerShape power{table.shape("watts")};
  if (power.watts.least() < 0) table.refuse("watts", "true power is never below 0");
  return power;
}

std::optional<Meters> parse_scope(Table& gpu, std::string_view key, const Meters& like) {
  auto table = gpu.table(key);
  if (!table) return std::nullopt;
  Meters meters = like;
  meters.usage.reset();
  meters.power = parse_power(*table, std::string{key});
  parse_meters(*table, meters);
  table->close();
  return meters;
}

Pid parse_pid(Table& table) {
  constexpr const char* kExpected = "a number, \"job\", \"job-child\" or \"job/2/1\"";
  if (!table.holds_text("pid")) {
    if (!table.has("pid")) table.refuse("", std::string{"a process needs its pid: "} + kExpected);
    return {.kind = Pid::Kind::number, .number = static_cast<std::uint32_t>(table.whole("pid", 0))};
  }
  const std::string name = table.text("pid", "");
  if (name == "job") return {.kind = Pid::Kind::job};
  if (name == "job-child") return {.kind = Pid::Kind::job_child};
  const auto words = split(name, '/');
  Pid pid{.kind = Pid::Kind::descendant};
  for (const std::string_view word : std::span{words}.subspan(1)) pid.path.push_back(parse_u64(word).value_or(0));
  if (words.front() != "job" || pid.path.empty() || std::ranges::find(pid.path, 0u) != pid.path.end())
    table.refuse("pid", std::string{"expected "} + kExpected);
  return pid;
}

void parse_instance(Table& table, Gpu& gpu) {
  const auto index = static_cast<std::uint32_t>(gpu.instances.size());
  MigInstance instance;
  instance.uuid = table.text("uuid", fmt::format("MIG-{}-{:012x}", gpu.uuid.substr(gpu.uuid.size() - 23), index));
  instance.profile = table.text("profile", instance.profile);
  instance.gpu_instance = static_cast<std::uint32_t>(table.whole("gpu_instance", index + 1));
  instance.compute_instance = static_cast<std::uint32_t>(table.whole("compute_instance", 0));
  instance.compute_slices = static_cast<std::uint32_t>(table.whole("compute_slices", 1));
  instance.memory_slices = static_cast<std::uint32_t>(table.whole("memory_slices", instance.compute_slices));
  instance.memory_mib = table.whole("memory_mib", gpu.memory_mib / 8 * instance.memory_slices);
  instance.utilisation = table.shape("utilisation");
  table.close();
  gpu.instances.push_back(std::move(instance));
}

void parse_process(Table& table, Gpu& gpu) {
  Process process{.pid = parse_pid(table), .life = parse_life(table)};
  process.share = table.fraction("share", 1);
  process.memory_mib = table.whole("memory_mib", process.memory_mib);
  process.is_graphics = table.flag("graphics", false);
  process.name = table.text("name", process.name);
  process.is_mps_client = table.flag("mps_client", false);
  if (table.has("sampled_share")) process.sampled_share = table.fraction("sampled_share", 0);
  if (table.has("instance")) {
    process.instance = static_cast<std::uint32_t>(table.whole("instance", 0));
    if (std::ranges::find(gpu.instances, *process.instance, &MigInstance::gpu_instance) == gpu.instances.end())
      table.refuse("instance", "no instance of this GPU has that gpu_instance");
  }
  table.close();
  gpu.processes.push_back(process);
}

// At each begin of a process, what all those alive have together.
bool are_shares_whole(const Gpu& gpu) {
  return std::ranges::all_of(gpu.processes, [&](const Process& begun) {
    double sum = 0;
    for (const Process& process : gpu.processes) sum += process.life.contains(begun.life.from) ? process.share : 0;
    return sum <= 1 + 1e-9;
  });
}

void parse_clocks(Table& table, std::string_view key, std::array<std::uint32_t, 3>& clocks) {
  const auto numbers = table.numbers(key);
  if (!table.has(key)) return;
  if (numbers.size() != 3) return table.refuse(key, "expected three clocks in MHz: graphics, SM, memory");
  std::ranges::transform(numbers, clocks.begin(), [](double mhz) { return static_cast<std::uint32_t>(mhz); });
}

template <class T>
void parse_shapes(Table& gpu, std::string_view key, Words<T> words, double scale, std::map<T, Shape>& into) {
  auto table = gpu.table(key);
  if (!table) return;
  for (const std::string& name : table->keys()) {
    const auto word = find(words, name);
    if (!word) continue;  // close() names it
    const Shape shape = table->shape(name);
    into[*word] = scale == 1 ? shape : shape.scaled(scale);
  }
  table->close();
}

std::optional<Traffic> parse_traffic(Table& gpu, std::string_view key) {
  auto table = gpu.table(key);
  if (!table) return std::nullopt;
  Traffic traffic{table->shape("sent"), table->shape("received")};
  table->close();
  return traffic;
}

void parse_identity(Table& table, Gpu& gpu, std::size_t index) {
  gpu.name = table.text("name", gpu.name);
  gpu.uuid = table.text("uuid", fmt::format("GPU-1ab00000-0000-4000-8000-{:012x}", index));
  if (gpu.uuid.size() < 27) table.refuse("uuid", "expected GPU- and 36 characters");
  gpu.serial = table.text("serial", fmt::format("{}", 1650000000000 + index));
  set_usual_board(gpu);
  const std::string architecture = table.text("architecture", "");
  const auto found = find(architectures(), architecture);
  if (found) gpu.architecture = *found;
  if (!found && !architecture.empty()) table.refuse("architecture", "expected one of " + list(architectures()));
  const auto capability = table.numbers("compute_capability");
  if (capability.size() == 2)
    gpu.compute_capability = {static_cast<int>(capability[0]), static_cast<int>(capability[1])};
  gpu.memory_mib = table.whole("memory_mib", gpu.memory_mib);
  gpu.memory_bus_bits = static_cast<std::uint32_t>(table.whole("memory_bus_bits", gpu.memory_bus_bits));
  gpu.limit = table.watts("limit_watts", gpu.limit);
  gpu.least_limit = table.watts("least_limit_watts", gpu.least_limit);
}

void parse_activity(Table& table, Gpu& gpu) {
  gpu.utilisation = table.shape("utilisation");
  gpu.memory_utilisation = table.shape("memory_utilisation", gpu.utilisation.scaled(0.5));
  if (auto sensor = table.table("utilisation_sensor")) parse_sensor(*std::move(sensor), gpu.utilisation_sensor);
  gpu.temperature = table.shape("temperature", gpu.temperature);
  if (table.has("memory_temperature")) gpu.memory_temperature = table.shape("memory_temperature");
  parse_clocks(table, "idle_clocks", gpu.idle_clocks);
  parse_clocks(table, "busy_clocks", gpu.busy_clocks);
  gpu.idle_pstate = static_cast<int>(table.whole("idle_pstate", static_cast<std::uint64_t>(gpu.idle_pstate)));
  gpu.busy_pstate = static_cast<int>(table.whole("busy_pstate", static_cast<std::uint64_t>(gpu.busy_pstate)));
  parse_shapes(table, "held_back", throttle_fields(), 1, gpu.held_back);
  gpu.pcie = parse_traffic(table, "pcie");
  gpu.pcie_range = table.whole("pcie_range", gpu.pcie_range);
  gpu.nvlink = parse_traffic(table, "nvlink");
}

// The metrics default to what the utilisation says.
void parse_gpm(Table& table, Gpu& gpu) {
  if (table.is_off("gpm")) return;
  const bool has_it = gpu.architecture >= nvml::Architecture::hopper && gpu.architecture != nvml::Architecture::unknown;
  if (!has_it && !table.has("gpm")) return;
  for (const auto& [word, metric] : gpm_metrics()) gpu.gpm[metric] = Shape{};
  gpu.gpm[nvml::Gpm::graphics_utilisation] = gpu.utilisation.scaled(100);
  gpu.gpm[nvml::Gpm::sm_utilisation] = gpu.utilisation.scaled(100);
  parse_shapes(table, "gpm", gpm_metrics(), 100, gpu.gpm);
}

}  // namespace

std::vector<Gpu> parse_gpus(Table& table, std::size_t index, unsigned driver_major) {
  Gpu gpu;
  parse_identity(table, gpu, index);
  gpu.meters.power = parse_power(table, "a gpu");
  set_usual_sensors(gpu, driver_major);
  gpu.idle = parse_idle(table, gpu.meters.power, "idle_watts");
  gpu.context = table.watts("context_watts", {});
  parse_meters(table, gpu.meters);
  parse_sensor_if_there(table, "usage", gpu.meters.usage);
  gpu.module = parse_scope(table, "module", gpu.meters);
  gpu.memory = parse_scope(table, "memory", gpu.meters);
  parse_activity(table, gpu);
  parse_gpm(table, gpu);
  gpu.is_mig = table.flag("mig", table.has("instance"));
  for (Table& instance : table.tables("instance")) parse_instance(instance, gpu);
  for (Table& process : table.tables("process")) parse_process(process, gpu);
  if (!are_shares_whole(gpu)) table.refuse("process", "the shares of processes at one time are more than 1");
  const std::uint64_t count = table.whole("count", 1);
  if (count < 1 || count > 256) table.refuse("count", "expected 1 to 256");
  if (count > 1 && table.has("uuid")) table.refuse("uuid", "one uuid for several GPUs: leave it out");
  table.close();
  std::vector<Gpu> gpus(std::min<std::uint64_t>(count, 256), gpu);
  for (std::size_t i = 1; i < gpus.size(); ++i) {
    gpus[i].uuid = fmt::format("GPU-1ab00000-0000-4000-8000-{:012x}", index + i);
    gpus[i].serial = fmt::format("{}", 1650000000000 + index + i);
  }
  return gpus;
}

}  // namespace everywatt::lab
