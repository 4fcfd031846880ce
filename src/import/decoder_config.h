// The decoders that are built as LLaMA is (RMSNorm, rotary positions, projections
// without much bias), by family, with experts or without; and, for a family that
// is not known, what its fields tell.
#pragma once
#include <string_view>

#include "import/config_reader.h"
#include "model/transformer.h"

namespace everywatt {

bool is_llama_like(std::string_view model_type);

TransformerShape read_llama_like(ConfigReader& fields, const std::string& model_type);

TransformerShape read_unknown_decoder(ConfigReader& fields, const std::string& model_type);

}  // namespace everywatt
