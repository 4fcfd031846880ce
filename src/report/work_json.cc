#include <nlohmann/json.hpp>

#include "report/work_text.h"

namespace everywatt {
namespace {

using Json = nlohmann::ordered_json;

// Whole numbers as such, as long as a double is exact.
Json counted(Count count) {
  constexpr Count kExact = 9007199254740992.0;
  if (count >= 0 && count < kExact && count == static_cast<Count>(static_cast<std::int64_t>(count)))
    return static_cast<std::int64_t>(count);
  return count;
}

Json flops(Flop work) { return counted(work / flop); }

template <class T>
Json known(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json model_json(const ModelStatement& model) {
  const ParameterCounts& counts = model.parameters;
  return {{"family", model.family},
          {"kind", to_string(model.kind)},
          {"parameters",
           {{"total", counted(counts.total)},
            {"active", counted(counts.active)},
            {"matmul", counted(counts.matmul)},
            {"active_matmul", counted(counts.active_matmul)},
            {"adapters", model.adapters ? counted(*model.adapters) : Json(nullptr)}}},
          {"context_tokens", counted(model.context)},
          {"convention", to_string(model.attention)},
          {"notes", model.notes}};
}

Json training_json(const RunStatement& run) {
  return {{"tokens", counted(run.tokens)},
          {"model_flops", flops(run.model)},
          {"hardware_flops", flops(run.hardware)},
          {"attention_flops", run.convention == "6ND" ? Json(nullptr) : flops(run.attention)},
          {"six_nd_flops", run.six_nd ? flops(*run.six_nd) : Json(nullptr)},
          {"convention", run.convention},
          {"recompute", to_string(run.recompute)}};
}

Json rate(const std::optional<FlopRate>& rate) { return rate ? Json(*rate * second / flop) : Json(nullptr); }

Json hardware_json(const HardwareStatement& hardware) {
  return {{"flops", hardware.work ? flops(*hardware.work) : Json(nullptr)},
          {"device_seconds", hardware.question.device_time / second},
          {"peak_flops_per_second", rate(hardware.question.peak)},
          {"utilisation", hardware.question.utilisation},
          {"reason", known(hardware.reason)}};
}

Json power_json(const Accelerator& accelerator) {
  if (!accelerator.power) return nullptr;
  return {{"watts", accelerator.power->power / watt},
          {"term", accelerator.power->term},
          {"devices", accelerator.devices_per_package},
          {"source", accelerator.power->provenance.source},
          {"confidence", accelerator.power->provenance.confidence}};
}

Json device_json(const DeviceStatement& device) {
  const DeviceQuestion& question = device.question;
  const auto& accelerator = device.accelerator;
  Json out{{"asked", known(question.name)},
           {"name", accelerator ? Json(accelerator->name) : Json(nullptr)},
           {"precision", question.precision ? Json(to_string(*question.precision)) : Json(nullptr)},
           {"peak_flops_per_second", nullptr},
           {"source", nullptr},
           {"confidence", nullptr},
           {"date", nullptr}};
  if (device.peak) {
    out["peak_flops_per_second"] = rate(device.peak->rate);
    out["source"] = device.peak->provenance.source;
    out["confidence"] = device.peak->provenance.confidence;
    out["date"] = device.peak->provenance.date;
  }
  out["memory_gigabytes"] = accelerator && accelerator->memory ? Json(*accelerator->memory / gigabyte) : Json(nullptr);
  out["bandwidth_gigabytes_per_second"] =
      accelerator && accelerator->bandwidth ? Json(*accelerator->bandwidth * second / gigabyte) : Json(nullptr);
  out["power"] = accelerator ? power_json(*accelerator) : Json(nullptr);
  return out;
}

Json utilisation_json(const DeviceStatement& device) {
  const DeviceQuestion& question = device.question;
  return {{"devices", counted(question.devices)},
          {"seconds", question.time ? Json(*question.time / second) : Json(nullptr)},
          {"joules", question.energy ? Json(*question.energy / joule) : Json(nullptr)},
          {"basis", "vs spec"},
          {"mfu", known(device.mfu)},
          {"hfu", known(device.hfu)},
          {"reason", known(device.reason)},
          {"flops_per_joule", device.work_per_energy ? Json(*device.work_per_energy * joule / flop) : Json(nullptr)},
          {"energy_reason", known(device.energy_reason)}};
}

}  // namespace

std::string work_json(const WorkStatement& statement, const std::string& title) {
  Json out{{"schema", "everywatt.flops/1"}, {"title", title}};
  out["model"] = statement.model ? model_json(*statement.model) : Json(nullptr);
  const Work* work = statement.model ? &statement.model->per_token : nullptr;
  out["forward_flops_per_token"] = work ? flops(work->forward) : Json(nullptr);
  out["forward_attention_flops_per_token"] = work ? flops(work->attention_forward) : Json(nullptr);
  out["backward_flops_per_token"] = work ? flops(work->backward) : Json(nullptr);
  out["training_flops_per_token"] = work ? flops(work->model()) : Json(nullptr);
  out["recomputed_flops_per_token"] = work ? flops(work->recomputed) : Json(nullptr);
  out["training"] = statement.run ? training_json(*statement.run) : Json(nullptr);
  out["hardware_based"] = statement.hardware ? hardware_json(*statement.hardware) : Json(nullptr);
  out["device"] = statement.device ? device_json(*statement.device) : Json(nullptr);
  out["utilisation"] = statement.device ? utilisation_json(*statement.device) : Json(nullptr);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace everywatt
