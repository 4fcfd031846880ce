#include "account/flops.h"

#include <algorithm>

namespace everywatt {
namespace {

// Keys that a token looks back at, on average over a sequence.
Count keys_seen(Count context, AttentionCount count, const std::optional<Count>& window) {
  const Count reach = window ? std::min(*window, context) : context;
  if (count == AttentionCount::full) return reach;
  return reach - reach * reach / (2 * context);
}

Flop attention_of(const Architecture& architecture, const Training& training) {
  Flop sum;
  for (const AttentionProducts& products : architecture.attention) {
    const Count keys = keys_seen(training.context, training.attention, products.window);
    sum += flops_of(products.layers * products.heads * (products.key_size + products.value_size) * keys * mac);
  }
  return sum;
}

Count uses_per_token(const Projection& projection, Count context) {
  return projection.passes == Passes::each_token ? projection.used : projection.used / context;
}

Flop products_of(const Architecture& architecture, Count context) {
  Flop sum;
  for (const Projection& p : architecture.projections)
    sum += flops_of(p.inputs * p.outputs * uses_per_token(p, context) * mac);
  for (const Convolution& convolution : architecture.convolutions)
    sum += (1 / context) * flops_of(macs_of(convolution));
  return sum;
}

// "q_proj" as "q".
std::string_view short_name(std::string_view target) {
  constexpr std::string_view kEnd = "_proj";
  if (target.ends_with(kEnd)) target.remove_suffix(kEnd.size());
  return target;
}

bool takes_adapters(const Projection& projection) {
  return projection.name != "head" && !projection.name.ends_with("router") && !projection.name.starts_with("embedding");
}

bool is_target(const Projection& projection, const Lora& lora) {
  return takes_adapters(projection) && std::ranges::any_of(lora.targets, [&](const std::string& target) {
           return target == "all" || short_name(target) == projection.name;
         });
}

Result<void> check_targets(const Architecture& architecture, const Lora& lora) {
  for (const std::string& target : lora.targets) {
    const Lora alone{.targets = {target}};
    if (std::ranges::any_of(architecture.projections, [&](const Projection& p) { return is_target(p, alone); }))
      continue;
    std::vector<std::string_view> names;
    for (const Projection& p : architecture.projections)
      if (takes_adapters(p) && std::ranges::find(names, p.name) == names.end()) names.push_back(p.name);
    std::string text = "all";
    for (const std::string_view name : names) text += ", " + std::string{name};
    return fail(Errc::misuse, "the model has no projection '" + target + "' to adapt; it has " + text);
  }
  return {};
}

Flop adapters_forward(const Architecture& architecture, const Lora& lora, Count context) {
  Flop sum;
  for (const Projection& p : architecture.projections)
    if (is_target(p, lora)) sum += flops_of(lora.rank * (p.inputs + p.outputs) * uses_per_token(p, context) * mac);
  return sum;
}

}  // namespace

std::string_view to_string(AttentionCount count) { return count == AttentionCount::full ? "full" : "causal-counted"; }

std::string_view to_string(Recompute recompute) {
  switch (recompute) {
    case Recompute::none:
      return "none";
    case Recompute::selective:
      return "selective";
    case Recompute::full:
      return "full";
  }
  return "";
}

std::optional<Recompute> parse_recompute(std::string_view text) {
  for (const Recompute recompute : {Recompute::none, Recompute::selective, Recompute::full})
    if (text == to_string(recompute)) return recompute;
  return std::nullopt;
}

ParameterCounts count_parameters(const Architecture& architecture) {
  ParameterCounts counts;
  Count unused = 0;
  for (const Projection& p : architecture.projections) {
    const Count each = p.inputs * p.outputs;
    counts.matmul += each * p.stored;
    counts.active_matmul += each * p.used;
    unused += each * (p.stored - p.used);
    if (p.weights == Weights::own) counts.total += each * p.stored;
  }
  for (const Convolution& convolution : architecture.convolutions) {
    const Count weights = weights_of(convolution);
    counts.matmul += weights;
    counts.active_matmul += weights;
    counts.total += weights;
  }
  counts.total += architecture.looked_up + architecture.vectors;
  counts.active = counts.total - unused;
  return counts;
}

Result<Count> count_adapters(const Architecture& architecture, const Lora& lora) {
  CHECK(check_targets(architecture, lora));
  Count count = 0;
  for (const Projection& p : architecture.projections)
    if (is_target(p, lora)) count += lora.rank * (p.inputs + p.outputs) * p.stored;
  return count;
}

Work operator*(Count times, const Work& work) {
  return {.forward = times * work.forward,
          .attention_forward = times * work.attention_forward,
          .backward = times * work.backward,
          .attention_backward = times * work.attention_backward,
          .recomputed = times * work.recomputed};
}

Result<Work> work_per_token(const Architecture& architecture, const Training& training) {
  const Flop attention = attention_of(architecture, training);
  const Flop products = products_of(architecture, training.context);
  Work work{.forward = products + attention,
            .attention_forward = attention,
            .backward = 2 * products + 2 * attention,
            .attention_backward = 2 * attention};
  if (training.lora) {
    CHECK(check_targets(architecture, *training.lora));
    const Flop adapters = adapters_forward(architecture, *training.lora, training.context);
    work.forward += adapters;
    work.backward = products + 2 * attention + 2 * adapters;
  }
  if (training.recompute == Recompute::selective) work.recomputed = attention;
  if (training.recompute == Recompute::full) work.recomputed = work.forward;
  return work;
}

Flop six_nd(Count parameters, Count tokens) { return 6 * parameters * tokens * flop; }

Flop from_hardware(Duration device_time, FlopRate peak, double utilisation) {
  return utilisation * (device_time * peak);
}

Flop from_passes(Count passes, Flop full_pass) { return passes * full_pass; }

}  // namespace everywatt
