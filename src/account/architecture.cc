#include "account/architecture.h"

#include <utility>

namespace everywatt {
namespace {

class Builder {
 public:
  explicit Builder(const TransformerShape& shape) : shape_{shape} {}

  Architecture build() {
    add_input();
    if (shape_.attention.latent)
      add_latent_attention(*shape_.attention.latent);
    else
      add_attention();
    add_products();
    add_mlps();
    add_norms();
    add_head();
    return std::move(out_);
  }

 private:
  void project(std::string name, Count inputs, Count outputs, Count layers) {
    out_.projections.push_back(
        {.name = std::move(name), .inputs = inputs, .outputs = outputs, .stored = layers, .used = layers});
  }

  void add_input() {
    const Count width = shape_.width;
    out_.looked_up =
        shape_.vocabulary * shape_.embedding_width + (shape_.learned_positions + shape_.token_types) * width;
    if (shape_.vocabulary > 0 && shape_.embedding_width != width) {
      project("embedding_in", shape_.embedding_width, width, 1);
      project("embedding_out", width, shape_.embedding_width, 1);
    }
    if (const auto& image = shape_.image) {
      const Count side = image->side;
      out_.convolutions.push_back({.input_channels = image->channels,
                                   .output_channels = width,
                                   .kernel_height = image->patch,
                                   .kernel_width = image->patch,
                                   .output_height = side,
                                   .output_width = side});
      out_.vectors += 2 * width;  // bias of the convolution, and the class token
      out_.sequence = side * side + 1;
    }
  }

  void add_attention() {
    const AttentionShape& attention = shape_.attention;
    const Count queries = attention.heads * attention.key_size;
    const Count keys = attention.key_value_heads * attention.key_size;
    const Count values = attention.key_value_heads * attention.value_size;
    project("q", shape_.width, queries, shape_.layers);
    project("k", shape_.width, keys, shape_.layers);
    project("v", shape_.width, values, shape_.layers);
    project("o", attention.heads * attention.value_size, shape_.width, shape_.layers);
    if (shape_.biases.query_key_value) out_.vectors += shape_.layers * (queries + keys + values);
    if (shape_.biases.attention_output) out_.vectors += shape_.layers * shape_.width;
    if (shape_.norms.of_heads) out_.vectors += shape_.layers * 2 * attention.key_size;
  }

  // DeepSeek-V2 (arXiv 2405.04434), 2.1: as it is trained, keys and values expanded for every head.
  void add_latent_attention(const LatentAttention& latent) {
    const AttentionShape& attention = shape_.attention;
    const Count queries = attention.heads * attention.key_size;
    if (latent.query_rank > 0) {
      project("q_a", shape_.width, latent.query_rank, shape_.layers);
      project("q_b", latent.query_rank, queries, shape_.layers);
    } else {
      project("q", shape_.width, queries, shape_.layers);
    }
    project("kv_a", shape_.width, latent.key_value_rank + latent.rotary_size, shape_.layers);
    const Count own_keys = attention.key_size - latent.rotary_size;
    project("kv_b", latent.key_value_rank, attention.heads * (own_keys + attention.value_size), shape_.layers);
    project("o", attention.heads * attention.value_size, shape_.width, shape_.layers);
    out_.vectors += shape_.layers * (latent.query_rank + latent.key_value_rank);  // each has a norm
  }

  void add_products() {
    Count unlimited = shape_.layers;
    const auto add = [&](Count layers, std::optional<Count> window) {
      if (layers <= 0) return;
      out_.attention.push_back({.layers = layers,
                                .heads = shape_.attention.heads,
                                .key_size = shape_.attention.key_size,
                                .value_size = shape_.attention.value_size,
                                .window = window});
    };
    for (const WindowedLayers& windowed : shape_.windows) {
      add(windowed.layers, windowed.window);
      unlimited -= windowed.layers;
    }
    add(unlimited, std::nullopt);
  }

  void add_mlp(const std::string& prefix, Count inner, Count stored, Count used) {
    if (inner <= 0 || stored <= 0) return;
    const auto add = [&](const char* name, Count inputs, Count outputs) {
      out_.projections.push_back(
          {.name = prefix + name, .inputs = inputs, .outputs = outputs, .stored = stored, .used = used});
    };
    if (shape_.mlp == MlpKind::gated) add("gate", shape_.width, inner);
    add("up", shape_.width, inner);
    add("down", inner, shape_.width);
  }

  void add_mlps() {
    Count dense = shape_.layers;
    if (const auto& experts = shape_.experts) {
      dense -= experts->layers;
      project("router", shape_.width, experts->experts, experts->layers);
      add_mlp("", experts->inner, experts->layers * experts->experts, experts->layers * experts->used);
      add_mlp("shared_", experts->shared_inner, experts->layers, experts->layers);
      if (experts->has_shared_gate) project("shared_router", shape_.width, 1, experts->layers);
      if (experts->has_router_bias) out_.vectors += experts->layers * experts->experts;
    }
    add_mlp("", shape_.inner, dense, dense);
    const Count wide = shape_.mlp == MlpKind::gated ? 2 : 1;
    if (shape_.biases.mlp) out_.vectors += dense * (wide * shape_.inner + shape_.width);
  }

  void add_norms() {
    const Count each = (shape_.norms.kind == NormKind::scale ? 1 : 2) * shape_.width;
    out_.vectors += (shape_.layers * shape_.norms.per_layer + shape_.norms.outside) * each;
  }

  void add_head() {
    const auto add = [&](Count outputs, Passes passes, Weights weights, Count inputs) {
      out_.projections.push_back({.name = "head",
                                  .inputs = inputs,
                                  .outputs = outputs,
                                  .stored = 1,
                                  .used = 1,
                                  .passes = passes,
                                  .weights = weights});
    };
    switch (shape_.head) {
      case Head::none:
        return;
      case Head::own:
        return add(shape_.vocabulary, Passes::each_token, Weights::own, shape_.embedding_width);
      case Head::tied:
        return add(shape_.vocabulary, Passes::each_token, Weights::embedding, shape_.embedding_width);
      case Head::pooler:
        out_.vectors += shape_.width;
        return add(shape_.width, Passes::each_sequence, Weights::own, shape_.width);
      case Head::classes:
        out_.vectors += shape_.classes;
        return add(shape_.classes, Passes::each_sequence, Weights::own, shape_.width);
    }
  }

  const TransformerShape& shape_;
  Architecture out_;
};

}  // namespace

Architecture architecture_of(const TransformerShape& shape) { return Builder{shape}.build(); }

Count weights_of(const Convolution& c) {
  return c.input_channels / c.groups * c.kernel_height * c.kernel_width * c.output_channels;
}

Mac macs_of(const Convolution& c) { return weights_of(c) * c.output_height * c.output_width * mac; }

}  // namespace everywatt
