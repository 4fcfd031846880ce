// The stand-in's GPM: a sample notes the moment, two of them give the means between.
#include <algorithm>
#include <span>
#include <string>

#include "tests/lab/standin.h"

using namespace everywatt;
using namespace everywatt::lab;
using nvml::Device;
using nvml::Gpm;
using nvml::GpmMetric;
using nvml::Return;

// As the library's own: opaque to whoever holds it.
struct everywatt::nvml::OpaqueGpmSample {
  Device device = nullptr;
  std::optional<std::uint32_t> gpu_instance = {};
  Nanoseconds time = 0;
};

namespace {

constexpr double kMebibyte = 1024.0 * 1024.0;

using Header = nvml::GpmMetrics<1>;  // what follows the header is as long as `count` says

Return take_sample(Device device, std::string_view call, std::optional<std::uint32_t> gpu_instance,
                   nvml::GpmSample sample) {
  return on_gpu(device, call, [&](Subject& subject) {
    if (!sample) return Return::invalid_argument;
    if (subject.spec.gpm.empty()) return Return::not_supported;
    if (gpu_instance && std::ranges::find(subject.spec.instances, *gpu_instance, &MigInstance::gpu_instance) ==
                            subject.spec.instances.end())
      return Return::not_found;
    *sample = {.device = device, .gpu_instance = gpu_instance, .time = subject.now.time};
    return Return::success;
  });
}

// Of a MIG instance: how busy it was.
std::optional<Shape> instance_shape(const Gpu& gpu, Gpm metric, std::uint32_t gpu_instance) {
  if (metric != Gpm::graphics_utilisation && metric != Gpm::sm_utilisation) return std::nullopt;
  const auto found = std::ranges::find(gpu.instances, gpu_instance, &MigInstance::gpu_instance);
  return found == gpu.instances.end() ? std::nullopt : std::optional{found->utilisation.scaled(100)};
}

std::optional<Shape> shape_of(const Gpu& gpu, Gpm metric) {
  const auto traffic = [](const std::optional<Traffic>& of, Shape Traffic::* direction) {
    return of ? std::optional{((*of).*direction).scaled(1 / kMebibyte)} : std::nullopt;
  };
  switch (metric) {
    case Gpm::pcie_sent:
      return traffic(gpu.pcie, &Traffic::sent);
    case Gpm::pcie_received:
      return traffic(gpu.pcie, &Traffic::received);
    case Gpm::nvlink_sent:
      return traffic(gpu.nvlink, &Traffic::sent);
    case Gpm::nvlink_received:
      return traffic(gpu.nvlink, &Traffic::received);
    default:
      const auto found = gpu.gpm.find(metric);
      return found == gpu.gpm.end() ? std::nullopt : std::optional{found->second};
  }
}

// A scenario's defects call it "metric 20".
void fill(Subject& subject, const nvml::OpaqueGpmSample& before, const nvml::OpaqueGpmSample& after,
          GpmMetric& metric) {
  const auto id = static_cast<Gpm>(metric.metric);
  const auto shape =
      before.gpu_instance ? instance_shape(subject.spec, id, *before.gpu_instance) : shape_of(subject.spec, id);
  metric.status = state().befalls(subject.node, "metric " + std::to_string(metric.metric), subject.index, subject.now);
  if (metric.status == Return::success && !shape) metric.status = Return::not_supported;
  metric.value = metric.status == Return::success ? shape->mean(before.time, after.time) : 0;
}

}  // namespace

LAB_EXPORT Return nvmlGpmQueryDeviceSupport(Device device, nvml::GpmSupport* support) {
  return on_gpu(device, "nvmlGpmQueryDeviceSupport", [&](Subject& subject) {
    if (!support) return Return::invalid_argument;
    if (support->version != 1) return Return::argument_version_mismatch;
    support->supported = subject.spec.gpm.empty() ? 0 : 1;
    return Return::success;
  });
}
LAB_EXPORT Return nvmlGpmSampleAlloc(nvml::GpmSample* sample) {
  if (!sample) return Return::invalid_argument;
  *sample = new nvml::OpaqueGpmSample;
  return Return::success;
}
LAB_EXPORT Return nvmlGpmSampleFree(nvml::GpmSample sample) {
  if (!sample) return Return::invalid_argument;
  delete sample;
  return Return::success;
}
LAB_EXPORT Return nvmlGpmSampleGet(Device device, nvml::GpmSample sample) {
  return take_sample(device, "nvmlGpmSampleGet", std::nullopt, sample);
}
LAB_EXPORT Return nvmlGpmMigSampleGet(Device device, std::uint32_t gpu_instance, nvml::GpmSample sample) {
  return take_sample(device, "nvmlGpmMigSampleGet", gpu_instance, sample);
}
LAB_EXPORT Return nvmlGpmMetricsGet(void* request) {
  if (!request) return Return::invalid_argument;
  auto& header = *static_cast<Header*>(request);
  if (header.version != 1) return Return::argument_version_mismatch;
  const nvml::OpaqueGpmSample* before = header.first;
  const nvml::OpaqueGpmSample* after = header.second;
  if (!before || !after || before->device != after->device || before->gpu_instance != after->gpu_instance ||
      before->time >= after->time)
    return Return::invalid_argument;
  return on_gpu(before->device, "nvmlGpmMetricsGet", [&](Subject& subject) {
    for (GpmMetric& metric : std::span{header.metrics, header.count}) fill(subject, *before, *after, metric);
    return Return::success;
  });
}
