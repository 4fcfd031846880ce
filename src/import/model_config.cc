#include "import/model_config.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "import/config_reader.h"
#include "import/decoder_config.h"
#include "import/older_config.h"

namespace everywatt {
namespace {

struct Reader {
  std::string_view model_type;
  TransformerShape (*read)(ConfigReader&);
};

constexpr std::array kReaders = {
    Reader{"gpt2", read_gpt2}, Reader{"gpt_neox", read_gpt_neox}, Reader{"opt", read_opt},
    Reader{"bert", read_bert}, Reader{"roberta", read_bert},      Reader{"vit", read_vit},
};

constexpr std::array<std::string_view, 8> kEncoderDecoders = {"t5",    "mt5",    "umt5",    "bart",
                                                              "mbart", "marian", "pegasus", "whisper"};

// Of letters, digits and "_-.": what a name may hold that stands in a line for people.
bool is_name(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  return text.size() <= kLongest && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
                  c == '.';
         });
}

// Why the work does not follow from these fields; empty: it does.
std::string what_fields_hide(ConfigReader& fields, const std::string& model_type) {
  const bool is_pair = std::ranges::find(kEncoderDecoders, model_type) != kEncoderDecoders.end();
  if (is_pair || fields.flag_or("is_encoder_decoder", false)) return "an encoder with a decoder";
  if (fields.has("text_config") || fields.has("vision_config"))
    return "a model of several parts; give its text_config as a file of its own";
  if (model_type.find("mamba") != model_type.npos || model_type.find("rwkv") != model_type.npos ||
      fields.has_like("mamba") || fields.has_like("ssm_"))
    return "a recurrent model";
  const auto layers = fields.list("layer_types");
  const auto is_softmax = [](const std::string& kind) {
    return kind == "full_attention" || kind == "sliding_attention";
  };
  if (!std::ranges::all_of(layers, is_softmax)) return "a model with layers other than softmax attention";
  return {};
}

TransformerShape read_by_type(ConfigReader& fields, const std::string& model_type) {
  if (!is_name(model_type)) {
    fields.refuse("model_type is no name");
    return {};
  }
  const std::string hidden = what_fields_hide(fields, model_type);
  if (!hidden.empty()) {
    fields.refuse("model_type '" + model_type + "' is " + hidden + ", whose work is not counted yet");
    return {};
  }
  const auto reader = std::ranges::find(kReaders, model_type, &Reader::model_type);
  if (reader != kReaders.end()) return reader->read(fields);
  if (model_type.empty() && fields.has("n_embd")) return read_gpt2(fields);
  return is_llama_like(model_type) ? read_llama_like(fields, model_type) : read_unknown_decoder(fields, model_type);
}

}  // namespace

Result<TransformerShape> parse_model_config(std::string_view text) {
  TRY(ConfigReader fields, ConfigReader::parse(text));
  const std::string model_type = fields.text_or("model_type", "");
  TransformerShape shape = read_by_type(fields, model_type);
  if (fields.problem()) return fail(Errc::malformed, *fields.problem());
  if (shape.attention.key_size < 1) return fail(Errc::malformed, "there are more attention heads than features");
  return shape;
}

Result<TransformerShape> import_model_config(const std::filesystem::path& path) {
  std::error_code ignored;
  const auto file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  TRY(const std::string text, read_text(file));
  auto shape = parse_model_config(text);
  if (!shape) return fail(shape.error().code, file.string() + ": " + shape.error().what);
  return shape;
}

}  // namespace everywatt
