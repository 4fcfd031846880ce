#include "report/bottleneck_json.h"

#include <nlohmann/json.hpp>

#include <cmath>

#include "report/bottleneck_text.h"

namespace everywatt {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json bytes_per_second(const std::optional<Bandwidth>& bandwidth) {
  return bandwidth ? Json(std::llround(*bandwidth / (gigabyte / second) * 1e9)) : Json(nullptr);
}

Json gpu_json(const GpuInPhase& gpu) {
  return {{"id", gpu.device},
          {"busy", or_null(gpu.worked)},
          {"sm_utilisation", or_null(gpu.sm)},
          {"tensor_utilisation", or_null(gpu.use.tensor)},
          {"fp64_utilisation", or_null(gpu.use.fp64)},
          {"fp32_utilisation", or_null(gpu.use.fp32)},
          {"fp16_utilisation", or_null(gpu.use.fp16)},
          {"memory_bandwidth_utilisation", or_null(gpu.use.memory)},
          {"memory_bytes_per_second", bytes_per_second(gpu.bandwidth())},
          {"memory_peak_bytes_per_second", bytes_per_second(gpu.peak)},
          {gpu.peak ? "memory_peak_source" : "memory_peak_reason", gpu.peak_source},
          {"observed_seconds", gpu.observed_seconds},
          {"reason", or_null(gpu.reason)}};
}

}  // namespace

Json bottleneck_json(const PhaseBottleneck& phase) {
  const bool is_known = phase.verdict.kind != Bottleneck::unknown;
  Json gpus = Json::array();
  for (const GpuInPhase& gpu : phase.gpus) gpus.push_back(gpu_json(gpu));
  return {{"verdict", to_string(phase.verdict.kind)},
          {"evidence", is_known ? Json(evidence_of(phase)) : Json(nullptr)},
          {"reason", is_known ? Json(nullptr) : Json(evidence_of(phase))},
          {"shares",
           {{"input_wait", phase.use.input_wait},
            {"sync_wait", phase.use.sync_wait},
            {"busy", or_null(phase.use.busy())},
            {"idle", or_null(phase.use.idle())},
            {"reason", or_null(phase.use.worked ? std::string{} : phase.use.worked_reason)}}},
          {"input",
           {{"workers", or_null(phase.input_workers)},
            {"workers_busy", or_null(phase.input_workers_busy)},
            {"cpu_seconds", phase.input_workers ? Json(phase.input_cpu_seconds) : Json(nullptr)}}},
          {"cpus_busy", or_null(phase.cpus)},
          {"gpus", std::move(gpus)},
          {"memory",
           {{"bytes_per_second", bytes_per_second(phase.memory_bandwidth)}, {"reason", or_null(phase.memory_reason)}}}};
}

}  // namespace everywatt
