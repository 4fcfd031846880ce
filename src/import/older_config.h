// The families that have names, biases and layers of their own: GPT-2, GPT-NeoX,
// OPT, BERT and RoBERTa, ViT.
#pragma once
#include "import/config_reader.h"
#include "model/transformer.h"

namespace everywatt {

TransformerShape read_gpt2(ConfigReader& fields);
TransformerShape read_gpt_neox(ConfigReader& fields);
TransformerShape read_opt(ConfigReader& fields);
TransformerShape read_bert(ConfigReader& fields);
TransformerShape read_vit(ConfigReader& fields);

}  // namespace everywatt
