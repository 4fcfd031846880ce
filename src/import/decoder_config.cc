#include "import/decoder_config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"

namespace everywatt {
namespace {

enum class Windows { none, all, beyond_layer, every_second, but_every_sixth };
enum class Experts { none, mixtral, qwen, deepseek };

// What transformers assumes where config.json is silent (configuration_NAME.py of each family).
struct Family {
  std::string_view name;
  Windows windows = Windows::none;
  Experts experts = Experts::none;
  bool query_key_value_bias = false;
  bool tied = false;
  Count norms_per_layer = 2;
  bool norms_of_heads = false;
  Count head_size = 0;  // 0: width / heads
};

constexpr std::array kFamilies = {
    Family{.name = "llama"},
    Family{.name = "mistral", .windows = Windows::all},
    Family{.name = "mixtral", .windows = Windows::all, .experts = Experts::mixtral},
    Family{.name = "phi3", .windows = Windows::all},
    Family{.name = "qwen2", .windows = Windows::beyond_layer, .query_key_value_bias = true},
    Family{
        .name = "qwen2_moe", .windows = Windows::beyond_layer, .experts = Experts::qwen, .query_key_value_bias = true},
    Family{.name = "qwen3", .windows = Windows::beyond_layer, .norms_of_heads = true, .head_size = 128},
    Family{.name = "qwen3_moe",
           .windows = Windows::beyond_layer,
           .experts = Experts::qwen,
           .norms_of_heads = true,
           .head_size = 128},
    Family{.name = "gemma", .tied = true, .head_size = 256},
    Family{.name = "gemma2", .windows = Windows::every_second, .tied = true, .norms_per_layer = 4, .head_size = 256},
    Family{.name = "gemma3_text",
           .windows = Windows::but_every_sixth,
           .tied = true,
           .norms_per_layer = 4,
           .norms_of_heads = true,
           .head_size = 256},
    Family{.name = "deepseek_v2", .experts = Experts::deepseek},
    Family{.name = "deepseek_v3", .experts = Experts::deepseek},
};

const Family* find_family(std::string_view name) {
  const auto found = std::ranges::find(kFamilies, name, &Family::name);
  return found == kFamilies.end() ? nullptr : &*found;
}

AttentionShape read_heads(ConfigReader& fields, const TransformerShape& shape, Count head_size) {
  AttentionShape attention{.heads = fields.need({"num_attention_heads"})};
  attention.key_value_heads = fields.count_or("num_key_value_heads", attention.heads);
  if (head_size == 0) head_size = std::floor(shape.width / attention.heads);
  attention.key_size = fields.count_or("head_dim", head_size);
  attention.value_size = attention.key_size;
  return attention;
}

AttentionShape read_latent_heads(ConfigReader& fields) {
  const LatentAttention latent{.query_rank = fields.count_or("q_lora_rank", 0),
                               .key_value_rank = fields.need({"kv_lora_rank"}),
                               .rotary_size = fields.need({"qk_rope_head_dim"})};
  const Count heads = fields.need({"num_attention_heads"});
  return {.heads = heads,
          .key_value_heads = heads,
          .key_size = fields.need({"qk_nope_head_dim"}) + latent.rotary_size,
          .value_size = fields.need({"v_head_dim"}),
          .latent = latent};
}

Count windowed_layers(ConfigReader& fields, Windows windows, Count layers) {
  if (fields.has("layer_types")) {
    const auto kinds = fields.list("layer_types");
    return static_cast<Count>(std::ranges::count(kinds, "sliding_attention"));
  }
  switch (windows) {
    case Windows::none:
      return 0;
    case Windows::all:
      return layers;
    case Windows::beyond_layer:
      if (!fields.flag_or("use_sliding_window", false)) return 0;
      return layers - std::min(layers, fields.number_or("max_window_layers", 28));
    case Windows::every_second:
      return std::ceil(layers / 2);
    case Windows::but_every_sixth:
      return layers - std::floor(layers / fields.count_or("sliding_window_pattern", 6));
  }
  return 0;
}

std::vector<WindowedLayers> read_windows(ConfigReader& fields, Windows windows, Count layers) {
  constexpr Count kGemmaWindow = 4096;  // gemma2 and gemma3 alike
  const bool is_gemma = windows == Windows::every_second || windows == Windows::but_every_sixth;
  const Count window = fields.count_or("sliding_window", is_gemma ? kGemmaWindow : 0);
  const Count windowed = std::min(layers, windowed_layers(fields, windows, layers));
  if (window == 0 || windowed == 0) return {};
  return {{.layers = windowed, .window = window}};
}

// Qwen: every step-th layer, but those that are named.
Count qwen_expert_layers(ConfigReader& fields, Count layers) {
  const Count step = fields.count_or("decoder_sparse_step", 1);
  Count with_experts = std::floor(layers / step);
  for (const std::string& text : fields.list("mlp_only_layers")) {
    const auto index = parse_double(text);
    if (index && *index >= 0 && *index < layers && std::fmod(*index + 1, step) == 0) with_experts -= 1;
  }
  return std::max(with_experts, 0.0);
}

// DeepSeek: the first layers have none, of those behind each frequency-th has.
Count deepseek_expert_layers(ConfigReader& fields, Count layers) {
  const Count first = std::min(layers, fields.number_or("first_k_dense_replace", 0));
  const Count frequency = fields.count_or("moe_layer_freq", 1);
  return std::floor((layers - 1) / frequency) - std::floor((first - 1) / frequency);
}

std::optional<ExpertShape> read_experts(ConfigReader& fields, Experts kind, const TransformerShape& shape) {
  switch (kind) {
    case Experts::none:
      return std::nullopt;
    case Experts::mixtral:
      return ExpertShape{.layers = shape.layers,
                         .experts = fields.need({"num_local_experts"}),
                         .used = fields.need({"num_experts_per_tok"}),
                         .inner = shape.inner};
    case Experts::qwen: {
      const Count shared = fields.number_or("shared_expert_intermediate_size", 0);
      return ExpertShape{.layers = qwen_expert_layers(fields, shape.layers),
                         .experts = fields.need({"num_experts"}),
                         .used = fields.need({"num_experts_per_tok"}),
                         .inner = fields.need({"moe_intermediate_size"}),
                         .shared_inner = shared,
                         .has_shared_gate = shared > 0};
    }
    case Experts::deepseek: {
      if (!fields.has("n_routed_experts")) return std::nullopt;
      const Count inner = fields.need({"moe_intermediate_size"});
      return ExpertShape{.layers = deepseek_expert_layers(fields, shape.layers),
                         .experts = fields.need({"n_routed_experts"}),
                         .used = fields.need({"num_experts_per_tok"}),
                         .inner = inner,
                         .shared_inner = inner * fields.number_or("n_shared_experts", 0),
                         .has_router_bias = fields.text_or("topk_method", "") == "noaux_tc"};
    }
  }
  return std::nullopt;
}

// Experts of a family that is not known: the names that several families use.
std::optional<ExpertShape> read_unknown_experts(ConfigReader& fields, const TransformerShape& shape) {
  if (!fields.has("num_local_experts") && !fields.has("num_experts") && !fields.has("n_routed_experts"))
    return std::nullopt;
  const Count inner = fields.count_or("moe_intermediate_size", shape.inner);
  const Count shared = inner * fields.number_or("n_shared_experts", 0);
  return ExpertShape{.layers = deepseek_expert_layers(fields, shape.layers),
                     .experts = fields.need({"num_local_experts", "num_experts", "n_routed_experts"}),
                     .used = fields.need({"num_experts_per_tok", "num_experts_per_token", "experts_per_token"}),
                     .inner = inner,
                     .shared_inner = fields.number_or("shared_expert_intermediate_size", shared)};
}

TransformerShape read_common(ConfigReader& fields, const std::string& model_type) {
  TransformerShape shape{.family = model_type,
                         .layers = fields.need({"num_hidden_layers"}),
                         .width = fields.need({"hidden_size"}),
                         .inner = fields.need({"intermediate_size"}),
                         .vocabulary = fields.need({"vocab_size"})};
  shape.embedding_width = shape.width;
  if (fields.has("max_position_embeddings")) shape.longest = fields.need({"max_position_embeddings"});
  return shape;
}

void check_experts(ConfigReader& fields, const TransformerShape& shape) {
  if (!shape.experts) return;
  if (shape.experts->used > shape.experts->experts) fields.refuse("a token uses more experts than there are");
  if (shape.experts->layers < 0 || shape.experts->layers > shape.layers)
    fields.refuse("more layers have experts than there are layers");
}

}  // namespace

bool is_llama_like(std::string_view model_type) { return find_family(model_type) != nullptr; }

TransformerShape read_llama_like(ConfigReader& fields, const std::string& model_type) {
  const Family& family = *find_family(model_type);
  TransformerShape shape = read_common(fields, model_type);
  const bool is_deepseek = family.experts == Experts::deepseek;
  shape.attention = is_deepseek ? read_latent_heads(fields) : read_heads(fields, shape, family.head_size);
  shape.windows = read_windows(fields, family.windows, shape.layers);
  shape.experts = read_experts(fields, family.experts, shape);
  shape.norms = {.per_layer = family.norms_per_layer, .of_heads = family.norms_of_heads};
  const bool has_bias = fields.flag_or("attention_bias", false);
  shape.biases = {.query_key_value = family.query_key_value_bias || has_bias,
                  .attention_output = has_bias && !family.query_key_value_bias,
                  .mlp = fields.flag_or("mlp_bias", false)};
  shape.head = fields.flag_or("tie_word_embeddings", family.tied) ? Head::tied : Head::own;
  if (is_deepseek && has_bias) fields.refuse("attention_bias beside latent attention is not known");
  check_experts(fields, shape);
  return shape;
}

TransformerShape read_unknown_decoder(ConfigReader& fields, const std::string& model_type) {
  TransformerShape shape = read_common(fields, model_type.empty() ? "unknown" : model_type);
  shape.attention = fields.has("kv_lora_rank") ? read_latent_heads(fields) : read_heads(fields, shape, 0);
  shape.windows = read_windows(fields, Windows::none, shape.layers);
  shape.experts = read_unknown_experts(fields, shape);
  const std::string activation = fields.text_or("hidden_act", fields.text_or("hidden_activation", ""));
  const bool is_plain = activation.starts_with("gelu") || activation.starts_with("relu");
  if (activation.empty()) fields.refuse("hidden_act is missing: it tells whether the MLP is gated");
  shape.mlp = is_plain ? MlpKind::plain : MlpKind::gated;
  const bool has_bias = fields.flag_or("attention_bias", false);
  shape.biases = {.query_key_value = has_bias, .attention_output = has_bias, .mlp = fields.flag_or("mlp_bias", false)};
  shape.head = fields.flag_or("tie_word_embeddings", false) ? Head::tied : Head::own;
  shape.notes.push_back("model_type '" + model_type + "' is not known here: read from its fields as a decoder with a " +
                        (is_plain ? "plain" : "gated") + " MLP; biases and norms may be missing");
  check_experts(fields, shape);
  return shape;
}

}  // namespace everywatt
