// A machine of the virtual lab and what befalls it: packages, GPUs, their true
// power over time, what their sensors show of it, who uses them, and defects on
// schedule. Built in code, or read from TOML (docs/formats/lab.md).
//
//   const auto scenario = read_scenario("one_h100.toml");
//   Gpu gpu{.uuid = "GPU-…", .meters = {.power = {Shape::constant(300)}, .counter = CounterSensor{}}};
#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sources/nvml_abi.h"
#include "tests/lab/sensor.h"

namespace everywatt::lab {

// Whose process it is: a number, the command that the lab starts, that one's first
// child, or one deeper below it.
struct Pid {
  enum class Kind { number, job, job_child, descendant };
  Kind kind = Kind::job;
  std::uint32_t number = 0;
  std::vector<std::size_t> path = {};  // of a descendant: {2, 1} is the first child of the job's second
  bool operator==(const Pid&) const = default;
};
std::string name_of(const Pid& pid);  // "4711", "job", "job-child", "job/2/1"

// A process that has a context on a GPU.
struct Process {
  Pid pid = {};
  Interval life = {};
  double share = 1;                            // of the GPU's utilisation, and of its power above idle
  std::uint64_t memory_mib = 1024;             // of the GPU's memory
  std::optional<std::uint32_t> instance = {};  // its MIG instance, by gpu_instance
  bool is_graphics = false;
  std::string name = "python";  // as nvmlSystemGetProcessName gives it
  bool is_mps_client = false;
  std::optional<double> sampled_share = {};  // what its samples show in place of `share`
};
inline constexpr std::string_view kMpsServer = "nvidia-cuda-mps-server";

struct MigInstance {
  std::string uuid;
  std::uint32_t gpu_instance = 0;
  std::uint32_t compute_instance = 0;
  std::uint32_t compute_slices = 1;
  std::uint32_t memory_slices = 1;
  std::string profile = "1g.10gb";
  std::uint64_t memory_mib = 9856;
  Shape utilisation = {};  // fraction of the instance
};

// The meters of one scope: a GPU, the module it stands on, its memory. What is not there is not supported.
struct Meters {
  PowerShape power = {};
  std::optional<Sensor> instant = {};  // field 186
  std::optional<Sensor> average = {};  // field 185
  std::optional<Sensor> usage = {};    // nvmlDeviceGetPowerUsage: of the GPU alone
  std::optional<CounterSensor> counter = {};
};

// Bytes per second.
struct Traffic {
  Shape sent = {};
  Shape received = {};
};

struct Gpu {
  std::string uuid = "GPU-00000000-0000-0000-0000-000000000000";
  std::string name = "NVIDIA H100 80GB HBM3";
  std::string serial = "1650000000000";
  nvml::Architecture architecture = nvml::Architecture::hopper;
  std::array<int, 2> compute_capability = {9, 0};
  std::uint64_t memory_mib = 81559;
  std::uint32_t memory_bus_bits = 5120;
  Power limit = 700 * watt;
  Power least_limit = 200 * watt;
  Meters meters = {};                 // of the GPU; the power is that without a context
  std::optional<Meters> module = {};  // CPU and GPU
  std::optional<Meters> memory = {};  // scope 2
  Power idle = {};                    // never undershot: what is above it is work
  Power context = {};                 // more, while a process has a context
  Shape utilisation = {};             // fraction of the time in which a kernel is resident
  Shape memory_utilisation = {};      // fraction
  Sensor utilisation_sensor = {.window = kSecond / 6, .period = kSecond / 6};
  Shape temperature = Shape::constant(40);                      // °C
  std::optional<Shape> memory_temperature = {};                 // °C
  std::array<std::uint32_t, 3> idle_clocks = {345, 345, 1593};  // MHz: graphics, SM, memory
  std::array<std::uint32_t, 3> busy_clocks = {1980, 1980, 2619};
  int idle_pstate = 8;
  int busy_pstate = 0;
  std::map<nvml::Field, Shape> held_back = {};  // fraction of the time, for fields 74 … 81 and 269 … 271
  std::map<nvml::Gpm, Shape> gpm = {};          // % of each metric; empty: no GPM
  std::optional<Traffic> pcie = {};
  std::uint64_t pcie_range = std::uint64_t{1} << 32;  // bytes; the counter goes round there
  std::optional<Traffic> nvlink = {};
  std::vector<Process> processes = {};
  bool is_mig = false;
  std::vector<MigInstance> instances = {};

  // With the power of a context where there is one.
  PowerShape true_power() const;
};

// One processor package and the memory beside it.
struct Package {
  PowerShape power = {Shape::constant(60)};
  Power idle = {};
  Power limit = 350 * watt;  // constraint_0_max_power_uw
  Shape utilisation = {};    // fraction of all its CPUs
  unsigned cpus = 8;
  std::optional<PowerShape> dram = {};
  Power dram_idle = {};
  // µJ since an unknown past. 2^32 x 61 µJ is what most servers have, 2^32 x 15.3 µJ their memory.
  CounterSensor counter = {
      .period = kMillisecond, .unit = 1e-6 * joule, .start = 123'456'789, .range = 262'143'328'851};
  CounterSensor dram_counter = {
      .period = kMillisecond, .unit = 1e-6 * joule, .start = 23'456'789, .range = 65'712'999'614};
};

// What goes wrong, with which calls, on which GPU and when.
struct Defect {
  enum class Kind {
    missing,  // the library has no such function
    answers,  // the call answers `status`
    hangs,    // the call takes `length`
    reloads,  // from life.from to life.to there is no driver; then all begins anew
  };
  Kind kind = Kind::answers;
  nvml::Return status = nvml::Return::not_supported;
  Nanoseconds length = 0;
  std::vector<std::string> calls = {};    // "nvmlDeviceGetPowerUsage", "field 191"; none: every call about a GPU
  std::optional<std::uint32_t> gpu = {};  // by index; none: all
  Interval life = {};
};

struct Scenario {
  enum class Library {
    there,
    absent,   // no such file
    foreign,  // a library, and not NVIDIA's
  };
  Library library = Library::there;
  std::string driver = "550.54.15";
  int cuda = 12040;
  Nanoseconds init_length = 0;  // how long nvmlInit takes; INT64_MAX: it never returns
  nvml::Return init_status = nvml::Return::success;
  std::string processor = "Intel(R) Xeon(R) Platinum 8480+";
  std::vector<Package> packages = {};
  std::vector<Gpu> gpus = {};
  std::vector<Defect> defects = {};

  // Symbols that the library lacks, by its version and by the defects.
  std::vector<std::string> missing() const;
};

// Misuse is one line: FILE:LINE, what is wrong, what to do.
Result<Scenario> parse_scenario(std::string_view text, const std::string& file = "scenario");
Result<Scenario> read_scenario(const std::filesystem::path& path);

// The sensors that a GPU of its architecture has under a driver: the table of
// arXiv 2312.02741 and NVML's reference.
void set_usual_sensors(Gpu& gpu, unsigned driver_major);

}  // namespace everywatt::lab
