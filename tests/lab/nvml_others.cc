// Functions that everywatt does not call and that nvidia-ml-py, nvitop and zeus
// need: what most servers answer, and "not supported" for what the lab has not.
#include <algorithm>

#include "tests/lab/standin.h"
#include "tests/lab/standin_power.h"

using namespace everywatt;
using namespace everywatt::lab;
using nvml::Device;
using nvml::Return;

#define LAB_ANSWERS(name, type, answer)               \
  LAB_EXPORT Return name(Device device, type* into) { \
    return on_gpu(device, #name, [&](Subject&) {      \
      if (!into) return Return::invalid_argument;     \
      *into = answer;                                 \
      return Return::success;                         \
    });                                               \
  }
#define LAB_HAS_NOT(name)                                                            \
  LAB_EXPORT Return name(Device device) {                                            \
    return on_device(device, #name, [](Subject&) { return Return::not_supported; }); \
  }
// As from anyone who is not root.
#define LAB_FORBIDS(name)                                                            \
  LAB_EXPORT Return name(Device device) {                                            \
    return on_device(device, #name, [](Subject&) { return Return::no_permission; }); \
  }

LAB_ANSWERS(nvmlDeviceGetPersistenceMode, std::int32_t, 1)
LAB_ANSWERS(nvmlDeviceGetComputeMode, std::int32_t, 0)
LAB_ANSWERS(nvmlDeviceGetDisplayMode, std::int32_t, 0)
LAB_ANSWERS(nvmlDeviceGetDisplayActive, std::int32_t, 0)
LAB_ANSWERS(nvmlDeviceGetBrand, std::int32_t, 2)
LAB_ANSWERS(nvmlDeviceGetMaxPcieLinkGeneration, std::uint32_t, 5)
LAB_ANSWERS(nvmlDeviceGetCurrPcieLinkGeneration, std::uint32_t, 5)
LAB_ANSWERS(nvmlDeviceGetMaxPcieLinkWidth, std::uint32_t, 16)
LAB_ANSWERS(nvmlDeviceGetCurrPcieLinkWidth, std::uint32_t, 16)

LAB_HAS_NOT(nvmlDeviceGetFanSpeed)
LAB_HAS_NOT(nvmlDeviceGetTotalEccErrors)
LAB_HAS_NOT(nvmlDeviceGetEccMode)
LAB_HAS_NOT(nvmlDeviceGetConfComputeMemSizeInfo)
LAB_HAS_NOT(nvmlDeviceGetCurrentDriverModel)
LAB_HAS_NOT(nvmlDeviceGetDriverModel_v2)
LAB_HAS_NOT(nvmlDeviceGetSupportedMemoryClocks)
LAB_HAS_NOT(nvmlDeviceGetSupportedGraphicsClocks)
LAB_HAS_NOT(nvmlDeviceGetBoardPartNumber)
LAB_HAS_NOT(nvmlDeviceGetTemperatureThreshold)
LAB_HAS_NOT(nvmlDeviceGetViolationStatus)
LAB_HAS_NOT(nvmlDeviceGetAccountingMode)
LAB_HAS_NOT(nvmlDeviceGetNvLinkState)
LAB_HAS_NOT(nvmlDeviceGetProcessesUtilizationInfo)
LAB_HAS_NOT(nvmlDeviceGetNumGpuCores)

LAB_FORBIDS(nvmlDeviceSetPersistenceMode)
LAB_FORBIDS(nvmlDeviceSetPowerManagementLimit)
LAB_FORBIDS(nvmlDeviceSetGpuLockedClocks)
LAB_FORBIDS(nvmlDeviceResetGpuLockedClocks)
LAB_FORBIDS(nvmlDeviceSetMemoryLockedClocks)
LAB_FORBIDS(nvmlDeviceResetMemoryLockedClocks)

// Total, free, used, in bytes.
LAB_EXPORT Return nvmlDeviceGetBAR1MemoryInfo(Device device, std::uint64_t* memory) {
  return on_device(device, "nvmlDeviceGetBAR1MemoryInfo", [&](Subject&) {
    constexpr std::uint64_t kTotal = std::uint64_t{128} << 30;
    memory[0] = kTotal;
    memory[1] = kTotal - (1 << 20);
    memory[2] = 1 << 20;
    return Return::success;
  });
}

namespace {

Return codec_utilisation(Device device, std::string_view call, std::uint32_t* utilisation, std::uint32_t* period_us) {
  return on_gpu(device, call, [&](Subject&) {
    *utilisation = 0;
    *period_us = 167000;
    return Return::success;
  });
}

}  // namespace

LAB_EXPORT Return nvmlDeviceGetEncoderUtilization(Device device, std::uint32_t* utilisation, std::uint32_t* period_us) {
  return codec_utilisation(device, "nvmlDeviceGetEncoderUtilization", utilisation, period_us);
}
LAB_EXPORT Return nvmlDeviceGetDecoderUtilization(Device device, std::uint32_t* utilisation, std::uint32_t* period_us) {
  return codec_utilisation(device, "nvmlDeviceGetDecoderUtilization", utilisation, period_us);
}

// KB/s over the last 20 ms; 0: sent, 1: received.
LAB_EXPORT Return nvmlDeviceGetPcieThroughput(Device device, std::uint32_t counter, std::uint32_t* rate) {
  return on_gpu(device, "nvmlDeviceGetPcieThroughput", [&](Subject& subject) {
    if (!subject.spec.pcie) return Return::not_supported;
    const Shape& shape = counter == 0 ? subject.spec.pcie->sent : subject.spec.pcie->received;
    const Nanoseconds now = subject.now.time;
    *rate = static_cast<std::uint32_t>(std::max(0.0, shape.mean(now - 20 * kMillisecond, now) / 1024));
    return Return::success;
  });
}

// Its version in front: size, and 1 in the highest byte.
LAB_EXPORT Return nvmlDeviceGetTemperatureV(Device device, std::uint32_t* request) {
  return on_gpu(device, "nvmlDeviceGetTemperatureV", [&](Subject& subject) {
    if (request[0] != (12u | 1u << 24)) return Return::argument_version_mismatch;
    if (request[1] != 0) return Return::invalid_argument;
    request[2] = static_cast<std::uint32_t>(std::max(0.0, subject.spec.temperature.at(subject.now.time)));
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetC2cModeInfoV(Device device, std::uint32_t* is_enabled) {
  return on_gpu(device, "nvmlDeviceGetC2cModeInfoV", [&](Subject& subject) {
    if (!subject.spec.module) return Return::not_supported;
    *is_enabled = 1;
    return Return::success;
  });
}
