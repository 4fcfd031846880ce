// config.json of a model as Hugging Face's transformers write it, read into the
// model's shape. docs/formats/model-config.md says which families and fields.
#pragma once
#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "model/transformer.h"

namespace everywatt {

// Errc::malformed: no JSON, a field is missing or senseless, or a kind of model
// whose work does not follow from these fields; one line that says which.
Result<TransformerShape> parse_model_config(std::string_view text);

// The same of a file, or of the config.json in a folder; the text of an error begins with its name.
Result<TransformerShape> import_model_config(const std::filesystem::path& path);

}  // namespace everywatt
