#include "tests/lab/drivers.h"

#include <compare>
#include <cstdint>

#include "base/text.h"

namespace everywatt::lab {
namespace {

struct Version {
  std::uint64_t major = 0;
  std::uint64_t minor = 0;
  auto operator<=>(const Version&) const = default;
};

// "535.54.03"
Version version_of(std::string_view driver) {
  const auto parts = split(driver, '.');
  return {parse_u64(parts.front()).value_or(0), parts.size() > 1 ? parse_u64(parts[1]).value_or(0) : 0};
}

struct Lack {
  std::string_view symbol;
  Version from = {};
  Version before;
};
constexpr Version kProcesses2{450, 66}, kProcesses3{510, 39};
constexpr Version kProcesses3Gone{535, 98}, kProcesses3Back{535, 104};
constexpr Version kAmpere{445, 0};
constexpr Version kReserved{510, 0};
constexpr Version kGpm{520, 0};
constexpr Version kEvents{535, 0};
constexpr Lack kLacks[] = {
    {"nvmlDeviceGetComputeRunningProcesses_v3", {}, kProcesses3},
    {"nvmlDeviceGetGraphicsRunningProcesses_v3", {}, kProcesses3},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3", {}, kProcesses3},
    {"nvmlDeviceGetComputeRunningProcesses_v3", kProcesses3Gone, kProcesses3Back},
    {"nvmlDeviceGetGraphicsRunningProcesses_v3", kProcesses3Gone, kProcesses3Back},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v3", kProcesses3Gone, kProcesses3Back},
    {"nvmlDeviceGetComputeRunningProcesses_v2", {}, kProcesses2},
    {"nvmlDeviceGetGraphicsRunningProcesses_v2", {}, kProcesses2},
    {"nvmlDeviceGetMPSComputeRunningProcesses_v2", {}, kProcesses2},
    {"nvmlDeviceGetMigMode", {}, kAmpere},
    {"nvmlDeviceGetMaxMigDeviceCount", {}, kAmpere},
    {"nvmlDeviceGetMigDeviceHandleByIndex", {}, kAmpere},
    {"nvmlDeviceGetMemoryInfo_v2", {}, kReserved},
    {"nvmlDeviceGetMemoryBusWidth", {}, kReserved},
    {"nvmlDeviceGetNumGpuCores", {}, kReserved},
    {"nvmlGpmQueryDeviceSupport", {}, kGpm},
    {"nvmlGpmSampleAlloc", {}, kGpm},
    {"nvmlGpmSampleFree", {}, kGpm},
    {"nvmlGpmSampleGet", {}, kGpm},
    {"nvmlGpmMigSampleGet", {}, kGpm},
    {"nvmlGpmMetricsGet", {}, kGpm},
    {"nvmlDeviceGetCurrentClocksEventReasons", {}, kEvents},
};

constexpr Version kWideFrom{535, 43}, kWideBefore = kProcesses3Gone;

}  // namespace

std::vector<std::string_view> symbols_lacking(std::string_view driver) {
  const Version version = version_of(driver);
  std::vector<std::string_view> symbols;
  for (const Lack& lack : kLacks) {
    if (version >= lack.from && version < lack.before) symbols.push_back(lack.symbol);
  }
  return symbols;
}

bool has_wide_processes(std::string_view driver) {
  const Version version = version_of(driver);
  return version >= kWideFrom && version < kWideBefore;
}

}  // namespace everywatt::lab
