#include "report/compute_json.h"

#include <nlohmann/json.hpp>

namespace everywatt {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json flops(const std::optional<Flop>& work) { return work ? Json(*work / flop) : Json(nullptr); }

}  // namespace

Json compute_figures_json(const ComputeFigures& figures) {
  Json reasons = Json::object();
  const auto explain = [&](const char* key, const std::optional<std::string>& reason) {
    if (reason) reasons[key] = *reason;
  };
  explain("model_flops", figures.model_reason);
  explain("hardware_flops", figures.hardware_reason);
  explain("mfu", figures.mfu_reason);
  explain("hfu", figures.hfu_reason);
  explain("flops_per_joule", figures.energy_reason);
  const auto& rate = figures.work_per_energy;
  return {{"model_flops", flops(figures.model)},
          {"hardware_flops", flops(figures.hardware)},
          {"mfu", or_null(figures.mfu)},
          {"hfu", or_null(figures.hfu)},
          {"flops_per_joule", rate ? Json(*rate * joule / flop) : Json(nullptr)},
          {"reasons", reasons}};
}

Json peaks_json(std::span<const DevicePeak> peaks) {
  Json out = Json::array();
  for (const DevicePeak& device : peaks) {
    const auto& peak = device.peak;
    out.push_back({{"id", device.device},
                   {"share", device.share},
                   {"precision", device.precision},
                   {"accelerator", device.accelerator.empty() ? Json(nullptr) : Json(device.accelerator)},
                   {"peak_flops_per_second", peak ? Json(peak->rate * second / flop) : Json(nullptr)},
                   {"source", peak ? Json(peak->provenance.source) : Json(nullptr)},
                   {"confidence", peak ? Json(peak->provenance.confidence) : Json(nullptr)},
                   {"date", peak ? Json(peak->provenance.date) : Json(nullptr)},
                   {"reason", or_null(device.reason)}});
  }
  return out;
}

}  // namespace everywatt
