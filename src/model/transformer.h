// The shape of a transformer: the numbers of its configuration from which
// parameters and operations follow (account/architecture.h). Plain data; what a
// model does not have is empty or 0. A shape says nothing of weights' precision.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace everywatt {

// How many there are of something in a model. Whole numbers, exact up to 9e15;
// products of hostile dimensions lose digits where an integer would overflow.
using Count = double;

enum class ModelKind {
  decoder,  // predicts the next token
  encoder,  // reads a text (BERT)
  vision,   // reads an image, cut into patches (ViT)
};

std::string_view to_string(ModelKind kind);

// DeepSeek's attention: keys, values and queries go through narrow layers.
struct LatentAttention {
  Count query_rank = 0;  // 0: queries are made directly
  Count key_value_rank = 0;
  Count rotary_size = 0;  // of each head's keys, beside AttentionShape::key_size less this; one for all heads
};

struct AttentionShape {
  Count heads = 0;
  Count key_value_heads = 0;  // = heads (MHA), fewer (GQA), 1 (MQA)
  Count key_size = 0;         // of one head's queries and keys, rotary part included
  Count value_size = 0;       // of one head's values
  std::optional<LatentAttention> latent = {};
};

// Layers that look back a limited number of tokens; the others see the whole context.
struct WindowedLayers {
  Count layers = 0;
  Count window = 0;
};

enum class MlpKind {
  plain,  // up, activation, down
  gated,  // down(activation(gate) × up): SwiGLU, GeGLU
};

struct ExpertShape {
  Count layers = 0;  // that have experts; the others have one MLP
  Count experts = 0;
  Count used = 0;          // by each token
  Count inner = 0;         // width of one expert
  Count shared_inner = 0;  // width of what every token passes beside them
  bool has_shared_gate = false;
  bool has_router_bias = false;
};

enum class NormKind {
  scale,            // RMSNorm: one number a feature
  scale_and_shift,  // LayerNorm
};

struct NormShape {
  NormKind kind = NormKind::scale;
  Count per_layer = 2;
  Count outside = 1;      // behind the last layer, behind the embedding
  bool of_heads = false;  // of each layer's queries and keys
};

struct BiasShape {
  bool query_key_value = false;
  bool attention_output = false;
  bool mlp = false;
};

enum class Head {
  none,     // the body alone is counted
  own,      // its own weights
  tied,     // the embedding's weights
  pooler,   // BERT: one layer over the first token
  classes,  // one layer over one token: as many outputs as classes
};

struct ImageShape {
  Count channels = 0;
  Count patch = 0;  // pixels of its side
  Count side = 0;   // of the square image, in patches
};

struct TransformerShape {
  std::string family = {};  // "llama", as model_type names it
  ModelKind kind = ModelKind::decoder;
  Count layers = 0;
  Count width = 0;
  Count inner = 0;  // width of the MLP where a layer has no experts
  MlpKind mlp = MlpKind::gated;
  AttentionShape attention = {};
  std::vector<WindowedLayers> windows = {};
  std::optional<ExpertShape> experts = {};
  NormShape norms = {};
  BiasShape biases = {};
  Count vocabulary = 0;
  Count embedding_width = 0;    // = width but for a few (OPT-350m)
  Count learned_positions = 0;  // rows of the table; 0 where positions are computed
  Count token_types = 0;
  Head head = Head::own;
  Count classes = 0;
  std::optional<ImageShape> image = {};
  std::optional<Count> longest = {};    // context it is made for
  std::vector<std::string> notes = {};  // what a reader of its figures must know
};

}  // namespace everywatt
