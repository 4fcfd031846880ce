#include "import/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace everywatt {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kLlama = R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
  "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
  "max_position_embeddings": 8192, "hidden_act": "silu", "tie_word_embeddings": false})";

// The text with one field's value replaced, or a field put before the last brace.
std::string with(std::string_view config, const std::string& field, const std::string& value) {
  std::string text{config};
  const auto at = text.find('"' + field + '"');
  if (at == text.npos) return text.insert(text.rfind('}'), ", \"" + field + "\": " + value);
  const auto begin = text.find(':', at) + 1;
  const auto end = text.find_first_of(",}", begin);
  return text.replace(begin, end - begin, " " + value);
}

std::string without(std::string_view config, const std::string& field) { return with(config, field, "null"); }

TransformerShape shape_of(const std::string& config) {
  const auto shape = parse_model_config(config);
  EXPECT_TRUE(shape) << shape.error().what;
  return shape.value_or(TransformerShape{});
}

std::string problem_of(std::string_view config) {
  const auto shape = parse_model_config(config);
  EXPECT_FALSE(shape);
  if (shape) return "";
  EXPECT_EQ(shape.error().code, Errc::malformed);
  return shape.error().what;
}

TEST(ModelConfig, IsReadIntoAShape) {
  const TransformerShape shape = shape_of(std::string{kLlama});
  EXPECT_EQ(shape.family, "llama");
  EXPECT_EQ(shape.kind, ModelKind::decoder);
  EXPECT_EQ(shape.attention.key_value_heads, 8);
  EXPECT_EQ(shape.attention.key_size, 128);
  EXPECT_EQ(shape.mlp, MlpKind::gated);
  EXPECT_EQ(shape.head, Head::own);
  EXPECT_EQ(shape.longest, 8192);
  EXPECT_THAT(shape.windows, IsEmpty());
  EXPECT_THAT(shape.notes, IsEmpty());
}

TEST(ModelConfig, TakesWhatTheFamilyAssumesWhereItIsSilent) {
  EXPECT_EQ(shape_of(without(kLlama, "num_key_value_heads")).attention.key_value_heads, 32);
  EXPECT_EQ(shape_of(without(kLlama, "tie_word_embeddings")).head, Head::own);
  const std::string gemma = with(without(kLlama, "tie_word_embeddings"), "model_type", "\"gemma\"");
  EXPECT_EQ(shape_of(gemma).head, Head::tied);
  EXPECT_EQ(shape_of(gemma).attention.key_size, 256);
  EXPECT_TRUE(shape_of(with(kLlama, "model_type", "\"qwen2\"")).biases.query_key_value);
  EXPECT_FALSE(shape_of(with(kLlama, "model_type", "\"qwen2\"")).biases.attention_output);
}

TEST(ModelConfig, SaysWhichLayersLookThroughAWindow) {
  const std::string window = with(kLlama, "sliding_window", "1024");
  EXPECT_THAT(shape_of(window).windows, IsEmpty());  // LLaMA has none
  const auto layers = [](const std::string& config) {
    const TransformerShape shape = shape_of(config);
    return shape.windows.empty() ? 0 : shape.windows.front().layers;
  };
  EXPECT_EQ(layers(with(window, "model_type", "\"mistral\"")), 32);
  EXPECT_EQ(layers(with(window, "model_type", "\"gemma2\"")), 16);
  EXPECT_EQ(layers(with(window, "model_type", "\"gemma3_text\"")), 27);
  const std::string qwen = with(window, "model_type", "\"qwen2\"");
  EXPECT_EQ(layers(qwen), 0);
  EXPECT_EQ(layers(with(with(qwen, "use_sliding_window", "true"), "max_window_layers", "20")), 12);
  EXPECT_EQ(layers(with(window, "layer_types", R"(["sliding_attention", "full_attention"])")), 1);
}

TEST(ModelConfig, CountsTheLayersThatHaveExperts) {
  const std::string qwen =
      with(with(with(with(kLlama, "model_type", "\"qwen3_moe\""), "num_experts", "128"), "num_experts_per_tok", "8"),
           "moe_intermediate_size", "768");
  EXPECT_EQ(shape_of(qwen).experts->layers, 32);
  EXPECT_EQ(shape_of(with(qwen, "decoder_sparse_step", "2")).experts->layers, 16);
  EXPECT_EQ(shape_of(with(with(qwen, "decoder_sparse_step", "2"), "mlp_only_layers", "[0, 1, 2, 3]")).experts->layers,
            14);
  EXPECT_THAT(problem_of(with(qwen, "num_experts_per_tok", "129")), HasSubstr("more experts than there are"));
}

TEST(ModelConfig, OfAFamilyThatIsNotKnownIsReadByItsFields) {
  const TransformerShape shape = shape_of(with(kLlama, "model_type", "\"newcomer\""));
  EXPECT_EQ(shape.mlp, MlpKind::gated);
  ASSERT_THAT(shape.notes, SizeIs(1));
  EXPECT_THAT(shape.notes[0], HasSubstr("'newcomer'"));
  EXPECT_EQ(shape_of(with(with(kLlama, "model_type", "\"newcomer\""), "hidden_act", "\"gelu_new\"")).mlp,
            MlpKind::plain);
  EXPECT_THAT(problem_of(without(with(kLlama, "model_type", "\"newcomer\""), "hidden_act")), HasSubstr("hidden_act"));
}

TEST(ModelConfig, WithoutAFamilyIsTakenForTheOneThatUsesItsNames) {
  EXPECT_EQ(shape_of(without(kLlama, "model_type")).family, "unknown");
  const TransformerShape gpt =
      shape_of(R"({"n_embd": 768, "n_layer": 12, "n_head": 12, "n_ctx": 1024, "vocab_size": 9})");
  EXPECT_EQ(gpt.family, "gpt2");
  EXPECT_EQ(gpt.inner, 3072);
}

TEST(ModelConfig, IsRefusedWhereItsFieldsDoNotTellTheWork) {
  const std::map<std::string, std::string> kinds = {{"t5", "encoder with a decoder"}, {"mamba2", "recurrent"}};
  for (const auto& [type, why] : kinds)
    EXPECT_THAT(problem_of(with(kLlama, "model_type", '"' + type + '"')), AllOf(HasSubstr(type), HasSubstr(why)));
  EXPECT_THAT(problem_of(with(kLlama, "is_encoder_decoder", "true")), HasSubstr("encoder with a decoder"));
  EXPECT_THAT(problem_of(with(kLlama, "text_config", "{}")), HasSubstr("text_config"));
  EXPECT_THAT(problem_of(with(kLlama, "layer_types", R"(["linear_attention"])")), HasSubstr("softmax"));
}

TEST(ModelConfig, IsRefusedInOneLineThatNamesTheField) {
  EXPECT_THAT(problem_of(""), HasSubstr("no JSON object"));
  EXPECT_THAT(problem_of("[1, 2]"), HasSubstr("no JSON object"));
  EXPECT_THAT(problem_of(without(kLlama, "hidden_size")), HasSubstr("hidden_size is missing"));
  for (const char* value : {"0", "-1", "4096.5", "1e10", "\"4096\"", "true", "[4096]"})
    EXPECT_THAT(problem_of(with(kLlama, "hidden_size", value)), HasSubstr("hidden_size is no whole number")) << value;
  EXPECT_THAT(problem_of(with(kLlama, "model_type", R"("two\nlines")")), HasSubstr("model_type is no name"));
  EXPECT_THAT(problem_of(with(kLlama, "model_type", '"' + std::string(41, 'x') + '"')), HasSubstr("model_type"));
  EXPECT_THAT(problem_of(with(kLlama, "tie_word_embeddings", "\"yes\"")), HasSubstr("tie_word_embeddings"));
  EXPECT_THAT(problem_of(with(without(kLlama, "head_dim"), "num_attention_heads", "5000")), HasSubstr("heads"));
}

TEST(ModelConfig, IsFoundInTheFolderOfAModel) {
  const std::string folder = testing::TempDir() + "model_config_test";
  std::filesystem::create_directories(folder);
  std::ofstream{folder + "/config.json"} << kLlama;
  EXPECT_TRUE(import_model_config(folder));
  EXPECT_TRUE(import_model_config(folder + "/config.json"));
  std::ofstream{folder + "/config.json"} << "{}";
  EXPECT_THAT(import_model_config(folder).error().what,
              AllOf(HasSubstr(folder + "/config.json"), HasSubstr("missing")));
  EXPECT_EQ(import_model_config(folder + "/none").error().code, Errc::absent);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace everywatt
