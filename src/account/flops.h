// Parameters and operations of a model, and what a run of it takes.
//
// Counted are products of matrices, as FlopCounterMode of PyTorch does: one
// multiply-add is one MAC and two FLOP; norms, softmax and activations are 0.
// Model FLOPs are those of the task, whoever computes it; hardware FLOPs add
// what is computed twice to save memory. All of it is independent of precision.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/architecture.h"
#include "base/result.h"
#include "base/units.h"

namespace everywatt {

// Of the T × T products of attention a causal model needs half. Both are in use:
// PaLM's and torchtitan's formulas count all of them.
enum class AttentionCount { full, causal };
std::string_view to_string(AttentionCount count);  // "full", "causal-counted"

// What of the forward pass is computed again in the backward pass.
enum class Recompute {
  none,
  selective,  // the attention products (Korthikanti et al. 2022, arXiv 2205.05198)
  full,       // all of it
};
std::string_view to_string(Recompute recompute);
std::optional<Recompute> parse_recompute(std::string_view text);

// Adapters of low rank beside frozen weights (arXiv 2106.09685).
struct Lora {
  Count rank = 0;
  std::vector<std::string> targets = {};  // projections, "q" or "q_proj"; "all" but head and routers
};

struct Training {
  Count context = 0;  // tokens of a sequence
  AttentionCount attention = AttentionCount::full;
  Recompute recompute = Recompute::none;
  std::optional<Lora> lora = {};
};

struct ParameterCounts {
  Count total = 0;
  Count active = 0;         // that a token meets: less the experts it is not sent to
  Count matmul = 0;         // that multiply: a tied head included, tables, biases and norms not
  Count active_matmul = 0;  // the N of 6N
};

ParameterCounts count_parameters(const Architecture& architecture);

// Errc::misuse: a target that the model does not have; the text lists those it has.
Result<Count> count_adapters(const Architecture& architecture, const Lora& lora);

// For one token, one sequence or a whole run.
struct Work {
  Flop forward = {};
  Flop attention_forward = {};  // QKᵀ and PV, part of forward
  Flop backward = {};
  Flop attention_backward = {};  // part of backward
  Flop recomputed = {};          // hardware only

  [[nodiscard]] Flop model() const { return forward + backward; }
  [[nodiscard]] Flop hardware() const { return model() + recomputed; }
  [[nodiscard]] Flop attention() const { return attention_forward + attention_backward; }
};
Work operator*(Count times, const Work& work);

// One token of a sequence, on average over the sequence. The backward pass is
// twice the forward one: gradients of inputs and of weights. With adapters the
// frozen weights need the first only.
Result<Work> work_per_token(const Architecture& architecture, const Training& training);

// C = 6·P·D, for runs whose context is short beside the model's width.
Flop six_nd(Count parameters, Count tokens);
// The guidelines of the European Commission on general-purpose AI (18 July 2025), annex:
// C = N·L·H·U, device time times peak times utilisation, …
Flop from_hardware(Duration device_time, FlopRate peak, double utilisation);
// … and forward passes times the operations of one full pass, backward included.
Flop from_passes(Count passes, Flop full_pass);

}  // namespace everywatt
