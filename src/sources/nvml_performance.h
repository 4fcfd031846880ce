// NVIDIA's GPM: means of performance counters between two looks, Hopper and newer. Of a whole GPU, or of one of the
// instances that it is cut into.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sources/nvml_library.h"

namespace everywatt::nvml {

class PerformanceMonitor {
 public:
  // `gpu_instance`: of a GPU in MIG mode. None: `status` says why.
  static std::optional<PerformanceMonitor> open(const std::shared_ptr<Library>& library, Device device,
                                                std::optional<std::uint32_t> gpu_instance, Return& status);

  // The mean since the last call of each of `metrics` (at most kMostMetrics), in the driver's unit; none where it is
  // not told. The first call, and the first after a failure, tells of none.
  static constexpr std::size_t kMostMetrics = 12;
  std::vector<std::optional<double>> look(Device device, std::span<const Gpm> metrics);
  // Which of `metrics` this GPU does not have, before the first look; success too where that is not told yet.
  std::vector<Return> try_out(Device device, std::span<const Gpm> metrics);
  // Of what is told in percent, as millionths.
  static std::uint64_t share(double percent);

 private:
  using Sample = std::unique_ptr<OpaqueGpmSample, Return (*)(GpmSample)>;
  PerformanceMonitor(std::shared_ptr<Library> library, std::optional<std::uint32_t> gpu_instance, Sample last,
                     Sample next)
      : library_{std::move(library)}, gpu_instance_{gpu_instance}, last_{std::move(last)}, next_{std::move(next)} {}
  using Request = GpmMetrics<kMostMetrics>;
  Return take(Device device, GpmSample into) const;
  Return fill(Request& request, std::span<const Gpm> metrics) const;
  [[nodiscard]] std::vector<std::optional<double>> compare(std::span<const Gpm> metrics) const;

  std::shared_ptr<Library> library_;
  std::optional<std::uint32_t> gpu_instance_;
  Sample last_;
  Sample next_;
  std::optional<Device> taken_of_;  // what `last_` holds is of this handle; none: it holds nothing
};

}  // namespace everywatt::nvml
