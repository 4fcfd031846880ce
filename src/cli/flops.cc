// everywatt flops: the operations that a model and its training take, from its
// config.json or from numbers, and how much of a device's peak that was.
#include <cmath>

#include "account/work_statement.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "import/model_config.h"
#include "report/format.h"
#include "report/work_text.h"

namespace everywatt {
namespace {

constexpr double kMostAnything = 1e30;

using Text = std::optional<std::string>;

struct FlopsFlags {
  std::vector<std::string> files;
  Text config, parameters, tokens, sequences, steps, batch, context, recompute, lora_rank, lora_targets;
  Text device, precision, seconds, devices, joules;
  Text gpu_hours, peak_tflops, utilisation;
  bool causal = false;
  bool json = false;

  void declare(Flags& flags) {
    flags.positional("CONFIG", files, "config.json of a model as Hugging Face has it, or the folder it is in");
    flags.option("--config FILE", config, "the same");
    flags.option("--parameters N", parameters, "in place of a file: parameters (of a mixture: the active ones)");
    flags.option("--tokens N", tokens, "tokens of the whole training: 3.3e12, 15T");
    flags.option("--sequences N", sequences, "in place of tokens: sequences or images");
    flags.option("--steps N", steps, "in place of both, with --batch");
    flags.option("--batch N", batch, "sequences of one step, on all devices");
    flags.option("--context,--sequence-length T", context,
                 "tokens of a sequence (4096, or what the model has if less)");
    flags.flag("--causal", causal, "count the half of attention that a causal model needs; else all of it");
    flags.option("--recompute R", recompute, "activations computed again: none, selective (attention), full");
    flags.option("--lora-rank R", lora_rank, "frozen weights with adapters of this rank");
    flags.option("--lora-targets L", lora_targets, "projections with adapters: q,v (default), all");
    flags.option("--device D", device, "as its driver names it: \"NVIDIA H100 80GB HBM3\"");
    flags.option("--precision P", precision, "of the work: bf16, fp16, fp8, tf32, fp32 …");
    flags.option("--seconds S", seconds, "wall time of the training");
    flags.option("--devices N", devices, "devices that did it (1)");
    flags.option("--joules J", joules, "energy that it took");
    flags.option("--gpu-hours H", gpu_hours, "device hours: work from hardware, time × peak × utilisation");
    flags.option("--peak-tflops P", peak_tflops, "peak for --gpu-hours; else that of --device and --precision");
    flags.option("--utilisation U", utilisation, "share of the peak for --gpu-hours: 0.5");
    flags.flag("--json", json, "as JSON (schema everywatt.flops/1)");
  }
};

Result<std::optional<double>> number_of(const char* flag, const Text& text) {
  if (!text) return std::nullopt;
  const auto number = parse_count(*text);
  if (!number || *number <= 0 || *number > kMostAnything)
    return fail(Errc::misuse,
                std::string{flag} + " expects a number above 0, such as 3.3e12 or 15T, not '" + *text + "'");
  return number;
}

Result<std::optional<double>> whole_number_of(const char* flag, const Text& text) {
  TRY(const auto number, number_of(flag, text));
  if (number && *number != std::floor(*number))
    return fail(Errc::misuse, std::string{flag} + " expects a whole number, not '" + *text + "'");
  return number;
}

Result<std::optional<Lora>> lora_of(const FlopsFlags& given) {
  TRY(const auto rank, whole_number_of("--lora-rank", given.lora_rank));
  if (!rank) {
    if (given.lora_targets) return fail(Errc::misuse, "--lora-targets goes with --lora-rank R");
    return std::nullopt;
  }
  Lora lora{.rank = *rank};
  for (const std::string_view target : split(given.lora_targets.value_or("q,v"), ','))
    lora.targets.emplace_back(trim(target));
  return lora;
}

Result<std::optional<HardwareQuestion>> hardware_of(const FlopsFlags& given) {
  TRY(const auto hours, number_of("--gpu-hours", given.gpu_hours));
  TRY(const auto peak, number_of("--peak-tflops", given.peak_tflops));
  TRY(const auto share, number_of("--utilisation", given.utilisation));
  if (!hours) {
    if (peak || share) return fail(Errc::misuse, "--peak-tflops and --utilisation go with --gpu-hours H");
    return std::nullopt;
  }
  if (!share || *share > 1) return fail(Errc::misuse, "--gpu-hours expects --utilisation U, a share of 1 such as 0.5");
  if (!peak && !given.device)
    return fail(Errc::misuse, "--gpu-hours expects --peak-tflops P, or --device D and --precision P");
  HardwareQuestion question{.device_time = *hours * 3600 * second, .utilisation = *share};
  if (peak) question.peak = (*peak * 1e12 * flop) / second;
  return question;
}

Result<std::optional<DeviceQuestion>> device_of(const FlopsFlags& given) {
  TRY(const auto seconds, number_of("--seconds", given.seconds));
  TRY(const auto devices, whole_number_of("--devices", given.devices));
  TRY(const auto joules, number_of("--joules", given.joules));
  DeviceQuestion question{.name = given.device, .devices = devices.value_or(1)};
  if (given.precision) {
    question.precision = parse_precision(*given.precision);
    if (!question.precision)
      return fail(Errc::misuse, "--precision expects one of " + precision_names() + ", not '" + *given.precision + "'");
  }
  if (seconds) question.time = *seconds * second;
  if (joules) question.energy = *joules * joule;
  if (!given.device && !given.precision && !seconds && !devices && !joules) return std::nullopt;
  return question;
}

// --steps × --batch is a number of sequences.
Result<void> take_amount(const FlopsFlags& given, WorkQuestion& into) {
  TRY(into.tokens, number_of("--tokens", given.tokens));
  TRY(into.sequences, number_of("--sequences", given.sequences));
  TRY(const auto steps, number_of("--steps", given.steps));
  TRY(const auto batch, number_of("--batch", given.batch));
  if (steps.has_value() != batch.has_value()) return fail(Errc::misuse, "--steps N and --batch N go together");
  if (int{into.tokens.has_value()} + int{into.sequences.has_value()} + int{steps.has_value()} > 1)
    return fail(Errc::misuse, "expected one of --tokens, --sequences, and --steps with --batch");
  if (steps) into.sequences = *steps * *batch;
  return {};
}

// What goes with a model's file only.
Result<void> check_without_model(const FlopsFlags& given) {
  if (given.sequences || given.steps || given.context || given.causal || given.lora_rank || given.lora_targets)
    return fail(Errc::misuse, "--sequences, --steps, --context, --causal and --lora-… go with a model's config.json");
  if (given.recompute == "selective")
    return fail(Errc::misuse, "--recompute selective goes with a model's config.json");
  if (!given.parameters && given.tokens)
    return fail(Errc::misuse, "--tokens goes with a config.json or --parameters N");
  if (given.parameters && !given.tokens) return fail(Errc::misuse, "--parameters N expects --tokens N");
  return {};
}

Result<Text> file_of(const FlopsFlags& given) {
  if (given.files.size() + (given.config ? 1 : 0) + (given.parameters ? 1 : 0) > 1)
    return fail(Errc::misuse, "expected one config.json, or --parameters N in its place");
  if (given.config) return given.config;
  if (!given.files.empty()) return given.files.front();
  if (!given.parameters && !given.gpu_hours)
    return fail(Errc::misuse, "expected a model's config.json, --parameters N or --gpu-hours H");
  CHECK(check_without_model(given));
  return std::nullopt;
}

Result<WorkQuestion> question_of(const FlopsFlags& given) {
  WorkQuestion question;
  TRY(question.parameters, number_of("--parameters", given.parameters));
  TRY(question.context, whole_number_of("--context", given.context));
  CHECK(take_amount(given, question));
  TRY(question.lora, lora_of(given));
  TRY(question.hardware, hardware_of(given));
  TRY(question.device, device_of(given));
  if (given.causal) question.attention = AttentionCount::causal;
  if (given.recompute) {
    const auto recompute = parse_recompute(*given.recompute);
    if (!recompute)
      return fail(Errc::misuse, "--recompute expects none, selective or full, not '" + *given.recompute + "'");
    question.recompute = *recompute;
  }
  return question;
}

std::string title_of(const WorkQuestion& question, const Text& file) {
  if (file) return *file;
  if (question.parameters) return show_count(*question.parameters) + " parameters";
  return show_count(question.hardware->device_time / second / 3600) + " device hours";
}

}  // namespace

Result<int> flops_command(Context& context, Args args) {
  FlopsFlags given;
  Flags flags{"flops", "[OPTION…] [CONFIG]",
              "Counts the operations that a model takes for a token and for its whole training. A multiplication with "
              "its addition counts as two; norms, softmax and activations as none. Model FLOPs (MFU) leave out what "
              "is computed again to save memory, hardware FLOPs (HFU) have it in. Peaks are those of the makers, "
              "without sparsity (data/accelerators.csv)."};
  given.declare(flags);
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const Text file, file_of(given));
  TRY(WorkQuestion question, question_of(given));
  if (file) {
    TRY(question.shape, import_model_config(*file));
  }
  TRY(const WorkStatement statement, state_work(question));
  const std::string title = title_of(question, file);
  context.out << (given.json ? work_json(statement, title) : work_text(statement, title, context.out_style));
  return 0;
}

}  // namespace everywatt
