#include "report/work_text.h"

#include <array>
#include <cmath>

#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

constexpr std::size_t kLabel = 15;  // columns before the words

std::string line(std::string_view label, const std::string& text) { return paragraph(kLabel, label, text); }

std::string head(const WorkStatement& statement, const std::string& title, const Style& style) {
  if (!statement.model) return style.strong(title) + "\n";
  const std::string what = statement.model->family + ", " + std::string{to_string(statement.model->kind)};
  const std::size_t room = kPageWidth - columns(what) - 2;
  const std::string name = fit(title, room);
  return style.strong(name) + pad_left(what, kPageWidth - columns(name)) + "\n";
}

std::string parameters(const ModelStatement& model) {
  const ParameterCounts& counts = model.parameters;
  std::string text = show_count(counts.total);
  if (counts.active < counts.total) text += ", of which a token meets " + show_count(counts.active);
  std::string out = line("parameters", text);
  out += line("", show_count(counts.active_matmul) + " of them in the matrix products of a token");
  if (model.adapters) out += line("adapters", show_count(*model.adapters) + " trained; all others are frozen");
  return out;
}

std::string work(const ModelStatement& model) {
  const Work& work = model.per_token;
  std::string out = line("per token", "in a context of " + show_count(model.context) + " tokens");
  out += line("  forward", show_flops(work.forward / flop) + ", of it attention " +
                               show_flops(work.attention_forward / flop) + " (" +
                               std::string{to_string(model.attention)} + ")");
  out += line("  backward", show_flops(work.backward / flop));
  if (work.recomputed > Flop{})
    out += line("  recomputed", show_flops(work.recomputed / flop) + ", of the hardware alone");
  return out;
}

// "12 % below": how far the estimate is from what was counted.
std::string apart(const RunStatement& run) {
  const double share = *run.six_nd / run.model - 1;
  return show_percent(std::abs(share)) + (share < 0 ? " below" : " above");
}

std::string training(const RunStatement& run) {
  const std::string convention = run.convention == "6ND"    ? "6ND, no attention"
                                 : run.convention == "full" ? "full attention"
                                                            : run.convention;
  std::string out = line("training", show_flops(run.model / flop) + ", model FLOPs for " + show_count(run.tokens) +
                                         " tokens (" + convention + ")");
  if (run.recompute != Recompute::none) {
    out += line("hardware", show_flops(run.hardware / flop) + " with " + std::string{to_string(run.recompute)} +
                                " recomputation of activations");
  }
  if (run.six_nd && run.convention != "6ND")
    out += line("6ND", show_flops(*run.six_nd / flop) + " as an estimate, " + apart(run));
  return out;
}

std::string show_rate(FlopRate rate) { return show_flops(rate * second / flop) + "/s"; }

std::string hardware(const HardwareStatement& hardware) {
  if (!hardware.work) return line("by hardware", "no figure: " + *hardware.reason);
  const HardwareQuestion& question = hardware.question;
  return line("by hardware", show_flops(*hardware.work / flop) + ": " +
                                 show_count(question.device_time / second / 3600) + " device hours × " +
                                 show_rate(*question.peak) + " × " + show_percent(question.utilisation));
}

std::string device(const DeviceStatement& device, const Style& style) {
  const DeviceQuestion& question = device.question;
  std::string out;
  if (device.peak) {
    out += line("device", std::string{device.accelerator->name} + ", at most " + show_rate(device.peak->rate) + " in " +
                              std::string{to_string(*question.precision)} + " without sparsity");
    const Provenance& from = device.peak->provenance;
    out += style.faint(line("", std::string{from.confidence} + " confidence (" + std::string{from.source} + ", " +
                                    std::string{from.date} + ")"));
  }
  if (device.mfu) {
    out += line("MFU", show_percent(*device.mfu) + " vs spec, on " + show_count(question.devices) +
                           (question.devices == 1 ? " device" : " devices"));
    if (*device.hfu != *device.mfu) out += line("HFU", show_percent(*device.hfu) + " vs spec, recomputation included");
  } else if (question.name || question.time) {
    out += line("MFU", style.warning("no figure: ") + *device.reason);
  }
  if (device.work_per_energy) {
    out += line("efficiency", show_flops(*device.work_per_energy * joule / flop) + "/J, model FLOPs");
  } else if (question.energy) {
    out += line("efficiency", style.warning("no figure: ") + *device.energy_reason);
  }
  return out;
}

}  // namespace

std::string work_text(const WorkStatement& statement, const std::string& title, const Style& style) {
  std::string out = head(statement, title, style);
  if (statement.model) out += parameters(*statement.model) + work(*statement.model);
  if (statement.run) out += training(*statement.run);
  if (statement.hardware) out += hardware(*statement.hardware);
  if (statement.device) out += device(*statement.device, style);
  if (statement.model)
    for (const std::string& note : statement.model->notes) out += line("note", note);
  return out;
}

}  // namespace everywatt
