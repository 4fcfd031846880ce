// What was asked of everywatt flops, and its answer: pure values in, pure values
// out. What cannot be told has a reason in its place, never a number.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "account/accelerators.h"
#include "account/flops.h"
#include "account/utilisation.h"
#include "base/result.h"
#include "base/units.h"
#include "model/transformer.h"

namespace everywatt {

// C = N·L·H·U. Without a peak it is the device's.
struct HardwareQuestion {
  Duration device_time = {};
  std::optional<FlopRate> peak = {};
  double utilisation = 0;
};

// What devices did the run in what time; any part may be missing.
struct DeviceQuestion {
  std::optional<std::string> name = {};
  std::optional<PeakPrecision> precision = {};
  Count devices = 1;
  std::optional<Duration> time = {};
  std::optional<Energy> energy = {};
};

struct WorkQuestion {
  std::optional<TransformerShape> shape = {};
  std::optional<Count> parameters = {};  // in place of a shape: only 6ND can be told
  std::optional<Count> context = {};
  std::optional<Count> tokens = {};
  std::optional<Count> sequences = {};  // in place of tokens
  AttentionCount attention = AttentionCount::full;
  Recompute recompute = Recompute::none;
  std::optional<Lora> lora = {};
  std::optional<HardwareQuestion> hardware = {};
  std::optional<DeviceQuestion> device = {};
};

struct ModelStatement {
  std::string family;
  ModelKind kind = ModelKind::decoder;
  ParameterCounts parameters = {};
  std::optional<Count> adapters = {};  // parameters that are trained; the others are frozen
  Count context = 0;
  Work per_token = {};
  AttentionCount attention = AttentionCount::full;
  std::vector<std::string> notes = {};
};

struct RunStatement {
  Count tokens = 0;
  Flop model = {};
  Flop hardware = {};
  Flop attention = {};              // part of model
  std::optional<Flop> six_nd = {};  // 6 × active parameters × tokens; not where weights are frozen
  std::string convention = {};      // "full", "causal-counted"; "6ND" where nothing else is known
  Recompute recompute = Recompute::none;
};

struct HardwareStatement {
  HardwareQuestion question;
  std::optional<Flop> work = {};
  std::optional<std::string> reason = {};
};

struct DeviceStatement {
  DeviceQuestion question;
  std::optional<Accelerator> accelerator = {};
  std::optional<Peak> peak = {};
  std::optional<double> mfu = {};
  std::optional<double> hfu = {};
  std::optional<FlopPerEnergy> work_per_energy = {};  // model FLOPs
  std::optional<std::string> reason = {};             // why mfu and hfu are missing
  std::optional<std::string> energy_reason = {};      // why work_per_energy is
};

struct WorkStatement {
  std::optional<ModelStatement> model = {};
  std::optional<RunStatement> run = {};
  std::optional<HardwareStatement> hardware = {};
  std::optional<DeviceStatement> device = {};
};

// Errc::misuse: what was asked cannot be meant of this model.
Result<WorkStatement> state_work(const WorkQuestion& question);

}  // namespace everywatt
