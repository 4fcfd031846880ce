#include "account/work_statement.h"

#include <algorithm>
#include <utility>

namespace everywatt {
namespace {

constexpr Count kUsualContext = 4096;

Result<Count> context_of(const WorkQuestion& question, const Architecture& architecture) {
  if (architecture.sequence) {
    if (question.context && *question.context != *architecture.sequence)
      return fail(Errc::misuse, "--context: an image of this model is a sequence of its own length; leave it out");
    return *architecture.sequence;
  }
  if (question.context) return *question.context;
  return std::min(kUsualContext, question.shape->longest.value_or(kUsualContext));
}

Result<ModelStatement> state_model(const WorkQuestion& question) {
  const TransformerShape& shape = *question.shape;
  if (question.attention == AttentionCount::causal && shape.kind != ModelKind::decoder)
    return fail(Errc::misuse, "--causal: each token of a " + shape.family + " model looks at all others");
  const Architecture architecture = architecture_of(shape);
  TRY(const Count context, context_of(question, architecture));
  ModelStatement model{.family = shape.family,
                       .kind = shape.kind,
                       .parameters = count_parameters(architecture),
                       .context = context,
                       .attention = question.attention,
                       .notes = shape.notes};
  if (shape.longest && context > *shape.longest)
    model.notes.emplace_back("the context is longer than the model is made for (max_position_embeddings)");
  if (question.lora) {
    TRY(model.adapters, count_adapters(architecture, *question.lora));
  }
  TRY(model.per_token, work_per_token(architecture, {.context = context,
                                                     .attention = question.attention,
                                                     .recompute = question.recompute,
                                                     .lora = question.lora}));
  return model;
}

std::optional<RunStatement> state_run(const WorkQuestion& question, const std::optional<ModelStatement>& model) {
  if (!model && !question.parameters) return std::nullopt;
  if (!question.tokens && !(question.sequences && model)) return std::nullopt;
  RunStatement run{.tokens = question.tokens ? *question.tokens : *question.sequences * model->context,
                   .recompute = question.recompute};
  if (!model) {
    run.six_nd = six_nd(*question.parameters, run.tokens);
    run.model = *run.six_nd;
    // Of 6ND a third is the forward pass.
    run.hardware = question.recompute == Recompute::full ? (4.0 / 3) * run.model : run.model;
    run.convention = "6ND";
    return run;
  }
  if (!question.lora) run.six_nd = six_nd(model->parameters.active, run.tokens);
  const Work work = run.tokens * model->per_token;
  run.model = work.model();
  run.hardware = work.hardware();
  run.attention = work.attention();
  run.convention = to_string(model->attention);
  return run;
}

Result<Peak> peak_of(const DeviceQuestion& question) {
  if (!question.name) return fail(Errc::absent, "no device given (--device)");
  TRY(const Accelerator accelerator, find_accelerator(*question.name));
  if (!question.precision) return fail(Errc::absent, "the precision of the work is not given (--precision)");
  return find_peak(accelerator, *question.precision);
}

HardwareStatement state_hardware(const WorkQuestion& question) {
  HardwareStatement hardware{.question = *question.hardware};
  if (!hardware.question.peak) {
    const auto peak = peak_of(question.device.value_or(DeviceQuestion{}));
    if (!peak) {
      hardware.reason = peak.error().what;
      return hardware;
    }
    hardware.question.peak = peak->rate;
  }
  hardware.work = from_hardware(hardware.question.device_time, *hardware.question.peak, hardware.question.utilisation);
  return hardware;
}

DeviceStatement state_device(const DeviceQuestion& question, const std::optional<RunStatement>& run) {
  constexpr const char* kNoRun = "the work of the run is not given (--tokens)";
  DeviceStatement device{.question = question};
  if (question.name) {
    if (auto found = find_accelerator(*question.name)) device.accelerator = *found;
  }
  if (const auto peak = peak_of(question)) {
    device.peak = *peak;
  } else {
    device.reason = peak.error().what;
  }
  if (!device.reason && !question.time) device.reason = "the time is not given (--seconds)";
  if (!device.reason && !run) device.reason = kNoRun;
  if (!device.reason) {
    const DeviceTime spent{.devices = question.devices, .time = *question.time};
    device.mfu = utilisation(run->model, device.peak->rate, spent);
    device.hfu = utilisation(run->hardware, device.peak->rate, spent);
  }
  if (!question.energy) {
    device.energy_reason = "the energy is not given (--joules)";
  } else if (!run) {
    device.energy_reason = kNoRun;
  } else {
    device.work_per_energy = work_per_energy(run->model, *question.energy);
  }
  return device;
}

}  // namespace

Result<WorkStatement> state_work(const WorkQuestion& question) {
  WorkStatement statement;
  if (question.shape) {
    TRY(statement.model, state_model(question));
  }
  statement.run = state_run(question, statement.model);
  if (question.hardware) statement.hardware = state_hardware(question);
  if (question.device) statement.device = state_device(*question.device, statement.run);
  return statement;
}

}  // namespace everywatt
