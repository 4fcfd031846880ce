// What a model multiplies: its weight matrices, convolutions and attention
// products, each with how often a token (or a whole sequence) passes it.
// Parameters and operations (account/flops.h) are sums over this list. Biases
// and norms have parameters and no part in the operations counted.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "model/transformer.h"

namespace everywatt {

enum class Passes { each_token, each_sequence };
enum class Weights { own, embedding };  // embedding: a tied head; its parameters are in the table already

// A weight matrix, and all of its like in the model.
struct Projection {
  std::string name;  // "q", "gate", "router": what --lora-targets calls it
  Count inputs = 0;
  Count outputs = 0;
  Count stored = 0;  // in the model: layers × experts
  Count used = 0;    // by one token: layers × experts that it is sent to
  Passes passes = Passes::each_token;
  Weights weights = Weights::own;
};

// Over one image; numbers as a framework's layer has them.
struct Convolution {
  Count input_channels = 0;
  Count output_channels = 0;
  Count groups = 1;
  Count kernel_height = 0;
  Count kernel_width = 0;
  Count output_height = 0;
  Count output_width = 0;
};

// softmax(QKᵀ)V of layers that are alike.
struct AttentionProducts {
  Count layers = 0;
  Count heads = 0;
  Count key_size = 0;
  Count value_size = 0;
  std::optional<Count> window = {};
};

struct Architecture {
  std::vector<Projection> projections = {};
  std::vector<Convolution> convolutions = {};  // each passed once a sequence
  std::vector<AttentionProducts> attention = {};
  Count looked_up = 0;                 // parameters of embedding tables
  Count vectors = 0;                   // of biases and norms
  std::optional<Count> sequence = {};  // tokens of a sequence where the model fixes them
};

Architecture architecture_of(const TransformerShape& shape);

Count weights_of(const Convolution& convolution);
Mac macs_of(const Convolution& convolution);

}  // namespace everywatt
