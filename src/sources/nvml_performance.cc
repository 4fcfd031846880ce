#include "sources/nvml_performance.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace everywatt::nvml {

std::optional<PerformanceMonitor> PerformanceMonitor::open(const std::shared_ptr<Library>& library, Device device,
                                                           std::optional<std::uint32_t> gpu_instance, Return& status) {
  const Functions& call = library->call;
  GpmSupport support{.supported = 0};
  status = call_if_there(call.gpm_support, device, &support);
  if (status == Return::success && support.supported == 0) status = Return::not_supported;
  const bool can_sample = gpu_instance ? call.gpm_mig_sample != nullptr : call.gpm_sample != nullptr;
  if (status == Return::success && !(call.gpm_sample_alloc && call.gpm_sample_free && can_sample && call.gpm_metrics))
    status = Return::function_not_found;
  if (status != Return::success) return std::nullopt;
  const auto allocate = [&] {
    GpmSample sample = nullptr;
    if (status == Return::success) status = call.gpm_sample_alloc(&sample);
    return Sample{sample, call.gpm_sample_free};
  };
  Sample first = allocate();
  Sample second = allocate();
  PerformanceMonitor monitor{library, gpu_instance, std::move(first), std::move(second)};
  // Who may not look learns it here.
  if (status == Return::success) status = monitor.take(device, monitor.last_.get());
  if (status != Return::success) return std::nullopt;
  return monitor;
}

Return PerformanceMonitor::take(Device device, GpmSample into) const {
  return gpu_instance_ ? library_->call.gpm_mig_sample(device, *gpu_instance_, into)
                       : library_->call.gpm_sample(device, into);
}

std::vector<std::optional<double>> PerformanceMonitor::look(Device device, std::span<const Gpm> metrics) {
  std::vector<std::optional<double>> means(metrics.size());
  if (take(device, next_.get()) != Return::success) {
    taken_of_.reset();
    return means;
  }
  if (taken_of_ == device) means = compare(metrics);
  std::swap(last_, next_);
  taken_of_ = device;
  return means;
}

std::vector<Return> PerformanceMonitor::try_out(Device device, std::span<const Gpm> metrics) {
  std::vector<Return> statuses(metrics.size(), Return::success);
  Request request{};
  if (take(device, next_.get()) != Return::success || fill(request, metrics) != Return::success) return statuses;
  // Of a moment so short there may be nothing to tell: only what is not there is sure.
  for (std::size_t i = 0; i < request.count; ++i) {
    if (request.metrics[i].status == Return::not_supported) statuses[i] = Return::not_supported;
  }
  return statuses;
}

Return PerformanceMonitor::fill(Request& request, std::span<const Gpm> metrics) const {
  request.count = static_cast<std::uint32_t>(std::min(metrics.size(), kMostMetrics));
  request.first = last_.get();
  request.second = next_.get();
  for (std::size_t i = 0; i < request.count; ++i) request.metrics[i].metric = static_cast<std::uint32_t>(metrics[i]);
  return library_->call.gpm_metrics(&request);
}

std::vector<std::optional<double>> PerformanceMonitor::compare(std::span<const Gpm> metrics) const {
  std::vector<std::optional<double>> means(metrics.size());
  Request request{};
  if (fill(request, metrics) != Return::success) return means;
  for (std::size_t i = 0; i < request.count; ++i) {
    const GpmMetric& metric = request.metrics[i];
    if (metric.status == Return::success && std::isfinite(metric.value)) means[i] = std::max(metric.value, 0.0);
  }
  return means;
}

std::uint64_t PerformanceMonitor::share(double percent) {
  return static_cast<std::uint64_t>(std::llround(std::min(percent, 100.0) * 1e4));
}

}  // namespace everywatt::nvml
