#include "import/older_config.h"

#include <algorithm>
#include <cmath>

namespace everywatt {
namespace {

constexpr BiasShape kAllBiases{.query_key_value = true, .attention_output = true, .mlp = true};

AttentionShape plain_heads(ConfigReader& fields, std::string_view name, Count width) {
  const Count heads = fields.need({name});
  const Count size = std::floor(width / heads);
  return {.heads = heads, .key_value_heads = heads, .key_size = size, .value_size = size};
}

// What all of them share: LayerNorm, a plain MLP, biases everywhere.
TransformerShape read_body(ConfigReader& fields) {
  TransformerShape shape{.family = fields.text_or("model_type", ""),
                         .layers = fields.need({"num_hidden_layers"}),
                         .width = fields.need({"hidden_size"}),
                         .mlp = MlpKind::plain,
                         .norms = {.kind = NormKind::scale_and_shift},
                         .biases = kAllBiases};
  shape.embedding_width = shape.width;
  shape.attention = plain_heads(fields, "num_attention_heads", shape.width);
  return shape;
}

}  // namespace

TransformerShape read_gpt2(ConfigReader& fields) {
  const Count width = fields.need({"n_embd"});
  const Count positions = fields.need({"n_positions", "n_ctx"});
  return {.family = "gpt2",
          .layers = fields.need({"n_layer"}),
          .width = width,
          .inner = fields.count_or("n_inner", 4 * width),
          .mlp = MlpKind::plain,
          .attention = plain_heads(fields, "n_head", width),
          .norms = {.kind = NormKind::scale_and_shift},
          .biases = kAllBiases,
          .vocabulary = fields.need({"vocab_size"}),
          .embedding_width = width,
          .learned_positions = positions,
          .head = fields.flag_or("tie_word_embeddings", true) ? Head::tied : Head::own,
          .longest = positions};
}

TransformerShape read_gpt_neox(ConfigReader& fields) {
  TransformerShape shape = read_body(fields);
  shape.inner = fields.need({"intermediate_size"});
  shape.vocabulary = fields.need({"vocab_size"});
  const bool has_bias = fields.flag_or("attention_bias", true);
  shape.biases.query_key_value = has_bias;
  shape.biases.attention_output = has_bias;
  shape.head = fields.flag_or("tie_word_embeddings", false) ? Head::tied : Head::own;
  if (fields.has("max_position_embeddings")) shape.longest = fields.need({"max_position_embeddings"});
  return shape;
}

TransformerShape read_opt(ConfigReader& fields) {
  constexpr Count kPositionOffset = 2;  // OPTLearnedPositionalEmbedding keeps two rows in front
  TransformerShape shape = read_body(fields);
  shape.inner = fields.need({"ffn_dim"});
  shape.vocabulary = fields.need({"vocab_size"});
  shape.embedding_width = fields.count_or("word_embed_proj_dim", shape.width);
  shape.longest = fields.need({"max_position_embeddings"});
  shape.learned_positions = *shape.longest + kPositionOffset;
  shape.norms.outside = fields.flag_or("do_layer_norm_before", true) ? 1 : 0;
  if (!fields.flag_or("enable_bias", true)) shape.biases = {};
  shape.head = fields.flag_or("tie_word_embeddings", true) ? Head::tied : Head::own;
  return shape;
}

TransformerShape read_bert(ConfigReader& fields) {
  TransformerShape shape = read_body(fields);
  shape.kind = ModelKind::encoder;
  shape.inner = fields.need({"intermediate_size"});
  shape.vocabulary = fields.need({"vocab_size"});
  shape.longest = fields.need({"max_position_embeddings"});
  shape.learned_positions = *shape.longest;
  shape.token_types = fields.count_or("type_vocab_size", 2);
  shape.head = Head::pooler;
  shape.notes.emplace_back("counted with its pooler and without the head of a task (masked words, classes)");
  return shape;
}

TransformerShape read_vit(ConfigReader& fields) {
  TransformerShape shape = read_body(fields);
  shape.kind = ModelKind::vision;
  shape.inner = fields.need({"intermediate_size"});
  const Count pixels = fields.count_or("image_size", 224);
  const Count patch = fields.count_or("patch_size", 16);
  if (pixels < patch) fields.refuse("image_size is smaller than patch_size");
  shape.image =
      ImageShape{.channels = fields.count_or("num_channels", 3), .patch = patch, .side = std::floor(pixels / patch)};
  shape.learned_positions = shape.image->side * shape.image->side + 1;
  shape.longest = shape.learned_positions;
  shape.biases.query_key_value = fields.flag_or("qkv_bias", true);
  const auto labels = fields.size("id2label");
  shape.classes = fields.count_or("num_labels", labels ? static_cast<Count>(*labels) : 0);
  shape.head = shape.classes > 0 ? Head::classes : Head::none;
  if (shape.classes == 0)
    shape.notes.emplace_back("no classes in the file (num_labels, id2label): counted without a head");
  return shape;
}

}  // namespace everywatt
