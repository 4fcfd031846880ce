// The part of NVIDIA's management library (libnvidia-ml.so.1) that we call, as
// public documentation states it: names, numbers, sizes and offsets. Nothing of
// NVIDIA's is included or linked; the library is opened where it is found.
//
// Sources: the NVML API reference (docs.nvidia.com/deploy/nvml-api) and the
// interface that NVIDIA/go-nvml publishes (NVML_API_VERSION 13). Structs that
// grew are asked for by the version of the size given here.
#pragma once
#include <cstddef>
#include <cstdint>

namespace everywatt::nvml {

enum class Return : std::int32_t {
  success = 0,
  uninitialized = 1,
  invalid_argument = 2,
  not_supported = 3,
  no_permission = 4,
  not_found = 6,
  insufficient_size = 7,
  driver_not_loaded = 9,
  timeout = 10,
  function_not_found = 13,
  gpu_is_lost = 15,
  reset_required = 16,
  operating_system = 17,
  version_mismatch = 18,  // library and kernel module
  no_data = 21,
  argument_version_mismatch = 25,
  not_ready = 27,
  gpu_not_found = 28,
  unknown = 999,
};

using Device = struct OpaqueDevice*;
using GpmSample = struct OpaqueGpmSample*;

constexpr std::uint32_t kNoInstance = 0xffffffff;           // ProcessInfo, of a device without MIG
constexpr std::uint64_t kNotAvailable = ~std::uint64_t{0};  // ProcessInfo::memory

enum class Architecture : std::uint32_t {
  kepler = 2,
  maxwell = 3,
  pascal = 4,
  volta = 5,
  turing = 6,
  ampere = 7,
  ada = 8,
  hopper = 9,
  blackwell = 10,
  unknown = 0xffffffff,
};

// nvmlDeviceGetFieldValues
enum class Field : std::uint32_t {
  power_capped_time = 74,              // ns of software power cap
  thermally_capped_time = 75,          // ns
  sync_boost_time = 76,                // ns
  board_limited_time = 77,             // ns
  low_utilisation_time = 78,           // ns
  reliability_time = 79,               // ns
  below_application_clocks_time = 80,  // ns, by whatever cause
  below_base_clocks_time = 81,         // ns, by whatever cause
  memory_temperature = 82,             // °C
  total_energy = 83,                   // mJ since the driver was loaded
  nvlink_links = 91,                   // that the GPU has
  nvlink_sent = 138,                   // KiB of data, scope: link, all ones: the sum
  nvlink_received = 139,
  power_average = 185,  // mW, mean over 1 s, Ampere (but GA100) and newer
  power_instant = 186,  // mW
  power_limit = 190,    // mW, in force
  energy = 191,         // mJ, like 83, takes a scope
  pcie_sent = 197,      // bytes, may go round
  pcie_received = 198,
  nvlink5_sent = 202,  // bytes
  nvlink5_received = 204,
  // Under driver 575 alone, which has settings of power, in 32 bits, at 269 to 271. Since 580 settings lie here.
  software_thermal_time_575 = 251,  // ns
  hardware_thermal_time_575 = 252,  // ns
  power_brake_time_575 = 253,       // ns
  software_thermal_time = 269,      // ns
  hardware_thermal_time = 270,      // ns
  power_brake_time = 271,           // ns
};

enum class Scope : std::uint32_t { gpu = 0, module = 1, memory = 2 };

enum class ValueType : std::uint32_t { real = 0, u32 = 1, ulong = 2, u64 = 3, i64 = 4, i32 = 5, u16 = 6 };

union Value {
  double real;
  std::uint32_t u32;
  std::uint64_t u64;
  std::int64_t i64;
  std::int32_t i32;
  std::uint16_t u16;
};

struct FieldValue {
  Field field;
  std::uint32_t scope;
  std::int64_t timestamp;  // µs since 1970, the CPU's clock
  std::int64_t latency;    // µs that the update took
  ValueType type;
  Return status;
  Value value;
};
static_assert(sizeof(FieldValue) == 40 && offsetof(FieldValue, timestamp) == 8 && offsetof(FieldValue, type) == 24 &&
              offsetof(FieldValue, status) == 28 && offsetof(FieldValue, value) == 32);

struct Utilization {
  std::uint32_t gpu;     // % of the last sample period in which a kernel was resident
  std::uint32_t memory;  // % in which the memory was read or written
};
static_assert(sizeof(Utilization) == 8);

struct Memory {
  std::uint32_t version = sizeof(Memory) | 2u << 24;
  std::uint64_t total;
  std::uint64_t reserved;
  std::uint64_t free;
  std::uint64_t used;
};
static_assert(sizeof(Memory) == 40 && offsetof(Memory, total) == 8 && offsetof(Memory, used) == 32);
// Before driver 510; what the driver keeps for itself counts as used.
struct OldMemory {
  std::uint64_t total;
  std::uint64_t free;
  std::uint64_t used;
};
static_assert(sizeof(OldMemory) == 24 && offsetof(OldMemory, used) == 16);

// nvmlDeviceGetComputeRunningProcesses and its sisters for graphics and MPS: _v3 (driver 510.39) and _v2 (450.66).
struct ProcessInfo {
  std::uint32_t pid;
  std::uint64_t memory;  // bytes
  std::uint32_t gpu_instance;
  std::uint32_t compute_instance;
};
static_assert(sizeof(ProcessInfo) == 24 && offsetof(ProcessInfo, memory) == 8 &&
              offsetof(ProcessInfo, gpu_instance) == 16);
// As _v3 fills them under drivers 535.43 to 535.86, though it is the same symbol (NVIDIA/nvidia-settings, src/nvml.h).
struct WideProcessInfo {
  ProcessInfo info;
  std::uint64_t protected_memory;
};
static_assert(sizeof(WideProcessInfo) == 32 && offsetof(WideProcessInfo, protected_memory) == 24);
// The functions without a version, which older drivers have alone.
struct OldProcessInfo {
  std::uint32_t pid;
  std::uint64_t memory;
};
static_assert(sizeof(OldProcessInfo) == 16 && offsetof(OldProcessInfo, memory) == 8);

// nvmlDeviceGetProcessUtilization
struct ProcessUtilization {
  std::uint32_t pid;
  std::uint64_t timestamp;  // µs since 1970
  std::uint32_t sm;         // %
  std::uint32_t memory;     // %
  std::uint32_t encoder;
  std::uint32_t decoder;
};
static_assert(sizeof(ProcessUtilization) == 32 && offsetof(ProcessUtilization, timestamp) == 8 &&
              offsetof(ProcessUtilization, sm) == 16);

// nvmlDeviceGetSamples
struct Sample {
  std::uint64_t timestamp;  // µs of the driver's clock: since 1970, or since the machine's start
  Value value;
};
static_assert(sizeof(Sample) == 16);
enum class Samples : std::int32_t { total_power = 0, gpu_utilization = 1, memory_utilization = 2, module_power = 7 };

struct PciInfo {
  char legacy_bus_id[16];
  std::uint32_t domain;
  std::uint32_t bus;
  std::uint32_t device;
  std::uint32_t device_id;
  std::uint32_t subsystem_id;
  char bus_id[32];
};
static_assert(sizeof(PciInfo) == 68 && offsetof(PciInfo, domain) == 16 && offsetof(PciInfo, bus_id) == 36);

struct Attributes {
  std::uint32_t multiprocessors;
  std::uint32_t copy_engines;
  std::uint32_t decoders;
  std::uint32_t encoders;
  std::uint32_t jpeg_decoders;
  std::uint32_t optical_flow;
  std::uint32_t gpu_slices;
  std::uint32_t compute_slices;
  std::uint64_t memory_mib;
};
static_assert(sizeof(Attributes) == 40 && offsetof(Attributes, gpu_slices) == 24 &&
              offsetof(Attributes, memory_mib) == 32);

// GPU performance monitoring, Hopper and newer.
struct GpmSupport {
  std::uint32_t version = 1;
  std::uint32_t supported;
};
struct GpmMetric {
  std::uint32_t metric;
  Return status;
  double value;
  const char* short_name;
  const char* long_name;
  const char* unit;
};
static_assert(sizeof(GpmMetric) == 40 && offsetof(GpmMetric, value) == 8);
// The array at the end grew from 98 to 210 to 333 and more at version 1: the
// library fills as many as are asked for, so that is all we give it room for.
template <std::size_t N>
struct GpmMetrics {
  std::uint32_t version = 1;
  std::uint32_t count = N;
  GpmSample first;
  GpmSample second;
  GpmMetric metrics[N];
};
static_assert(sizeof(GpmMetrics<1>) == 24 + 40 && offsetof(GpmMetrics<1>, metrics) == 24);
enum class Gpm : std::uint32_t {
  graphics_utilisation = 1,  // %
  sm_utilisation = 2,        // %
  sm_occupancy = 3,          // %
  tensor_utilisation = 5,    // %
  memory_bandwidth = 10,     // % of the theoretical
  fp64_utilisation = 11,     // %
  fp32_utilisation = 12,     // %
  fp16_utilisation = 13,     // %
  pcie_sent = 20,            // MiB/s
  pcie_received = 21,        // MiB/s
  nvlink_received = 60,      // MiB/s
  nvlink_sent = 61,          // MiB/s
};

enum class Clock : std::uint32_t { graphics = 0, sm = 1, memory = 2, video = 3 };

// Why the clocks are where they are, a mask.
constexpr std::uint64_t kReasonIdle = 0x1;
constexpr std::uint64_t kReasonPowerCap = 0x4;
constexpr std::uint64_t kReasonHardwareSlowdown = 0x8;
constexpr std::uint64_t kReasonSyncBoost = 0x10;
constexpr std::uint64_t kReasonSoftwareThermal = 0x20;
constexpr std::uint64_t kReasonHardwareThermal = 0x40;
constexpr std::uint64_t kReasonPowerBrake = 0x80;

// Every function we call: its symbol and its type. A driver may lack any but
// the first ones; those whose names end in _v2 without a fallback are older than any driver
// that runs here (init, count and handles: 319).
#define EVERYWATT_NVML_FUNCTIONS(FUNCTION)                                                                        \
  FUNCTION(init, "nvmlInit_v2", Return())                                                                         \
  FUNCTION(shutdown, "nvmlShutdown", Return())                                                                    \
  FUNCTION(error_string, "nvmlErrorString", const char*(Return))                                                  \
  FUNCTION(driver_version, "nvmlSystemGetDriverVersion", Return(char*, std::uint32_t))                            \
  FUNCTION(cuda_version, "nvmlSystemGetCudaDriverVersion_v2", Return(int*))                                       \
  FUNCTION(device_count, "nvmlDeviceGetCount_v2", Return(std::uint32_t*))                                         \
  FUNCTION(device_by_index, "nvmlDeviceGetHandleByIndex_v2", Return(std::uint32_t, Device*))                      \
  FUNCTION(device_by_uuid, "nvmlDeviceGetHandleByUUID", Return(const char*, Device*))                             \
  FUNCTION(uuid, "nvmlDeviceGetUUID", Return(Device, char*, std::uint32_t))                                       \
  FUNCTION(name, "nvmlDeviceGetName", Return(Device, char*, std::uint32_t))                                       \
  FUNCTION(pci_info, "nvmlDeviceGetPciInfo_v3", Return(Device, PciInfo*))                                         \
  FUNCTION(minor_number, "nvmlDeviceGetMinorNumber", Return(Device, std::uint32_t*))                              \
  FUNCTION(architecture, "nvmlDeviceGetArchitecture", Return(Device, Architecture*))                              \
  FUNCTION(compute_capability, "nvmlDeviceGetCudaComputeCapability", Return(Device, int*, int*))                  \
  FUNCTION(power_usage, "nvmlDeviceGetPowerUsage", Return(Device, std::uint32_t*))                                \
  FUNCTION(total_energy, "nvmlDeviceGetTotalEnergyConsumption", Return(Device, std::uint64_t*))                   \
  FUNCTION(power_limit, "nvmlDeviceGetEnforcedPowerLimit", Return(Device, std::uint32_t*))                        \
  FUNCTION(field_values, "nvmlDeviceGetFieldValues", Return(Device, int, FieldValue*))                            \
  FUNCTION(utilization, "nvmlDeviceGetUtilizationRates", Return(Device, Utilization*))                            \
  FUNCTION(samples, "nvmlDeviceGetSamples",                                                                       \
           Return(Device, Samples, std::uint64_t, ValueType*, std::uint32_t*, Sample*))                           \
  FUNCTION(old_memory, "nvmlDeviceGetMemoryInfo", Return(Device, OldMemory*))                                     \
  FUNCTION(memory, "nvmlDeviceGetMemoryInfo_v2", Return(Device, Memory*))                                         \
  FUNCTION(compute_processes, "nvmlDeviceGetComputeRunningProcesses_v3", Return(Device, std::uint32_t*, void*))   \
  FUNCTION(graphics_processes, "nvmlDeviceGetGraphicsRunningProcesses_v3", Return(Device, std::uint32_t*, void*)) \
  FUNCTION(mps_processes, "nvmlDeviceGetMPSComputeRunningProcesses_v3", Return(Device, std::uint32_t*, void*))    \
  FUNCTION(old_compute_processes, "nvmlDeviceGetComputeRunningProcesses",                                         \
           Return(Device, std::uint32_t*, OldProcessInfo*))                                                       \
  FUNCTION(old_graphics_processes, "nvmlDeviceGetGraphicsRunningProcesses",                                       \
           Return(Device, std::uint32_t*, OldProcessInfo*))                                                       \
  FUNCTION(old_mps_processes, "nvmlDeviceGetMPSComputeRunningProcesses",                                          \
           Return(Device, std::uint32_t*, OldProcessInfo*))                                                       \
  FUNCTION(process_utilization, "nvmlDeviceGetProcessUtilization",                                                \
           Return(Device, ProcessUtilization*, std::uint32_t*, std::uint64_t))                                    \
  FUNCTION(process_name, "nvmlSystemGetProcessName", Return(std::uint32_t, char*, std::uint32_t))                 \
  FUNCTION(clock, "nvmlDeviceGetClockInfo", Return(Device, Clock, std::uint32_t*))                                \
  FUNCTION(max_clock, "nvmlDeviceGetMaxClockInfo", Return(Device, Clock, std::uint32_t*))                         \
  FUNCTION(memory_bus_width, "nvmlDeviceGetMemoryBusWidth", Return(Device, std::uint32_t*))                       \
  FUNCTION(clock_reasons, "nvmlDeviceGetCurrentClocksEventReasons", Return(Device, std::uint64_t*))               \
  FUNCTION(temperature, "nvmlDeviceGetTemperature", Return(Device, std::uint32_t, std::uint32_t*))                \
  FUNCTION(performance_state, "nvmlDeviceGetPerformanceState", Return(Device, std::int32_t*))                     \
  FUNCTION(mig_mode, "nvmlDeviceGetMigMode", Return(Device, std::uint32_t*, std::uint32_t*))                      \
  FUNCTION(mig_count, "nvmlDeviceGetMaxMigDeviceCount", Return(Device, std::uint32_t*))                           \
  FUNCTION(mig_device, "nvmlDeviceGetMigDeviceHandleByIndex", Return(Device, std::uint32_t, Device*))             \
  FUNCTION(gpu_instance, "nvmlDeviceGetGpuInstanceId", Return(Device, std::uint32_t*))                            \
  FUNCTION(compute_instance, "nvmlDeviceGetComputeInstanceId", Return(Device, std::uint32_t*))                    \
  FUNCTION(attributes, "nvmlDeviceGetAttributes_v2", Return(Device, Attributes*))                                 \
  FUNCTION(gpm_support, "nvmlGpmQueryDeviceSupport", Return(Device, GpmSupport*))                                 \
  FUNCTION(gpm_sample_alloc, "nvmlGpmSampleAlloc", Return(GpmSample*))                                            \
  FUNCTION(gpm_sample_free, "nvmlGpmSampleFree", Return(GpmSample))                                               \
  FUNCTION(gpm_sample, "nvmlGpmSampleGet", Return(Device, GpmSample))                                             \
  FUNCTION(gpm_mig_sample, "nvmlGpmMigSampleGet", Return(Device, std::uint32_t, GpmSample))                       \
  FUNCTION(gpm_metrics, "nvmlGpmMetricsGet", Return(void*))

}  // namespace everywatt::nvml
