// The stand-in's functions about MIG instances.
#include <algorithm>

#include "tests/lab/standin.h"

using namespace everywatt;
using namespace everywatt::lab;
using nvml::Device;
using nvml::Return;

namespace {

// Known to boards that have MIG: A100, A30, H100 and newer.
bool has_mig(const Gpu& gpu) {
  return gpu.is_mig || gpu.architecture >= nvml::Architecture::hopper || gpu.compute_capability == std::array{8, 0};
}

constexpr std::uint32_t kMostInstances = 7;

}  // namespace

LAB_EXPORT Return nvmlDeviceGetMigMode(Device device, std::uint32_t* current, std::uint32_t* pending) {
  return on_gpu(device, "nvmlDeviceGetMigMode", [&](Subject& subject) {
    if (!has_mig(subject.spec)) return Return::not_supported;
    *current = *pending = subject.spec.is_mig ? 1 : 0;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetMaxMigDeviceCount(Device device, std::uint32_t* count) {
  return on_gpu(device, "nvmlDeviceGetMaxMigDeviceCount", [&](Subject& subject) {
    *count = has_mig(subject.spec) ? kMostInstances : 0;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, std::uint32_t index, Device* instance) {
  return on_gpu(device, "nvmlDeviceGetMigDeviceHandleByIndex", [&](Subject& subject) {
    if (!has_mig(subject.spec)) return Return::not_supported;
    if (index >= subject.spec.instances.size()) return Return::not_found;
    *instance = handle_of(subject.generation, subject.index, index);
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetDeviceHandleFromMigDeviceHandle(Device instance, Device* device) {
  return on_device(instance, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle", [&](Subject& subject) {
    if (!subject.instance) return Return::invalid_argument;
    *device = handle_of(subject.generation, subject.index);
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceIsMigDeviceHandle(Device device, std::uint32_t* is_mig) {
  return on_device(device, "nvmlDeviceIsMigDeviceHandle", [&](Subject& subject) {
    *is_mig = subject.instance ? 1 : 0;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetGpuInstanceId(Device device, std::uint32_t* id) {
  return on_device(device, "nvmlDeviceGetGpuInstanceId", [&](Subject& subject) {
    if (!subject.instance) return Return::not_supported;
    *id = subject.instance->gpu_instance;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetComputeInstanceId(Device device, std::uint32_t* id) {
  return on_device(device, "nvmlDeviceGetComputeInstanceId", [&](Subject& subject) {
    if (!subject.instance) return Return::not_supported;
    *id = subject.instance->compute_instance;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlDeviceGetAttributes_v2(Device device, nvml::Attributes* attributes) {
  return on_device(device, "nvmlDeviceGetAttributes_v2", [&](Subject& subject) {
    if (!subject.instance) return Return::not_supported;
    *attributes = {};
    attributes->multiprocessors = subject.instance->compute_slices * 14;  // A100: 14 in each of 7 slices
    attributes->copy_engines = subject.instance->compute_slices;
    attributes->gpu_slices = subject.instance->compute_slices;
    attributes->compute_slices = subject.instance->compute_slices;
    attributes->memory_mib = subject.instance->memory_mib;
    return Return::success;
  });
}
