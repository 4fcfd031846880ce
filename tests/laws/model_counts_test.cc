// Parameters of models as published, from the numbers of their config.json. Each
// total is that of the weights on the Hugging Face hub.
#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "account/flops.h"
#include "import/model_config.h"

namespace everywatt {
namespace {

struct Model {
  const char* name;
  double total;
  const char* config;
};

constexpr Model kModels[] = {
    {"Llama-2-7B", 6'738'415'616,
     R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
         "num_attention_heads": 32, "vocab_size": 32000})"},
    {"Llama-2-70B", 68'976'648'192,
     R"({"model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80,
         "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 32000})"},
    {"Llama-3-8B", 8'030'261'248,
     R"({"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256})"},
    {"Llama-3.2-1B", 1'235'814'400,
     R"({"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
         "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
         "tie_word_embeddings": true})"},
    {"Mistral-7B", 7'241'732'096,
     R"({"model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "sliding_window": 4096})"},
    {"Mixtral-8x7B", 46'702'792'704,
     R"({"model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "num_local_experts": 8,
         "num_experts_per_tok": 2})"},
    {"Qwen2.5-7B", 7'615'616'512,
     R"({"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
         "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": false})"},
    {"Qwen2.5-0.5B", 494'032'768,
     R"({"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
         "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": true})"},
    {"Qwen3-0.6B", 596'049'920,
     R"({"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
         "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
         "tie_word_embeddings": true})"},
    {"Qwen1.5-MoE-A2.7B", 14'315'784'192,
     R"({"model_type": "qwen2_moe", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
         "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": 151936, "num_experts": 60,
         "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632})"},
    {"Qwen3-30B-A3B", 30'532'122'624,
     R"({"model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48,
         "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936,
         "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768})"},
    {"gemma-2b", 2'506'172'416,
     R"({"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18,
         "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 256000})"},
    {"gemma-2-2b", 2'614'341'888,
     R"({"model_type": "gemma2", "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
         "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 256000})"},
    {"gemma-3-1b", 999'885'952,
     R"({"model_type": "gemma3_text", "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26,
         "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144})"},
    {"DeepSeek-V2-Lite", 15'706'484'224,
     R"({"model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944, "num_hidden_layers": 27,
         "num_attention_heads": 16, "vocab_size": 102400, "q_lora_rank": null, "kv_lora_rank": 512,
         "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64,
         "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408, "moe_layer_freq": 1,
         "first_k_dense_replace": 1})"},
    {"DeepSeek-V3", 671'026'419'200,
     R"({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61,
         "num_attention_heads": 128, "vocab_size": 129280, "q_lora_rank": 1536, "kv_lora_rank": 512,
         "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 256,
         "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "moe_layer_freq": 1,
         "first_k_dense_replace": 3, "topk_method": "noaux_tc"})"},
    {"GPT-2", 124'439'808,
     R"({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257})"},
    {"Pythia-70M", 70'426'624,
     R"({"model_type": "gpt_neox", "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 6,
         "num_attention_heads": 8, "vocab_size": 50304})"},
    {"OPT-125M", 125'239'296,
     R"({"model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
         "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 768})"},
    {"OPT-350M", 331'196'416,
     R"({"model_type": "opt", "hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24,
         "num_attention_heads": 16, "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 512,
         "do_layer_norm_before": false})"},
    {"BERT-base-uncased", 109'482'240,
     R"({"model_type": "bert", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
         "num_attention_heads": 12, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2})"},
    {"RoBERTa-base", 124'645'632,
     R"({"model_type": "roberta", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
         "num_attention_heads": 12, "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1})"},
    {"ViT-B/16", 86'567'656,
     R"({"model_type": "vit", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
         "num_attention_heads": 12, "image_size": 224, "patch_size": 16, "num_labels": 1000})"},
};

Architecture architecture_named(std::string_view name) {
  for (const Model& model : kModels)
    if (model.name == name) return architecture_of(*parse_model_config(model.config));
  return {};
}

TEST(PublishedModels, HaveTheParametersThatTheirWeightsHave) {
  for (const Model& model : kModels) {
    const auto shape = parse_model_config(model.config);
    ASSERT_TRUE(shape) << model.name << ": " << shape.error().what;
    EXPECT_EQ(std::llround(count_parameters(architecture_of(*shape)).total), std::llround(model.total)) << model.name;
  }
}

TEST(PublishedModels, DoNotUseMoreThanTheyHave) {
  for (const Model& model : kModels) {
    const ParameterCounts counts = count_parameters(architecture_named(model.name));
    EXPECT_GT(counts.active, 0) << model.name;
    EXPECT_LE(counts.active, counts.total) << model.name;
    EXPECT_LE(counts.active_matmul, counts.matmul) << model.name;
  }
}

// 37 of 671 billion (arXiv 2412.19437), 3.3 of 30.5 (Qwen3-30B-A3B), 12.9 of 46.7 (arXiv 2401.04088).
TEST(PublishedModels, ActivateWhatTheirPapersSay) {
  const auto active = [](std::string_view name) { return count_parameters(architecture_named(name)).active / 1e9; };
  EXPECT_NEAR(active("DeepSeek-V3"), 37.5, 0.5);
  EXPECT_NEAR(active("Qwen3-30B-A3B"), 3.3, 0.1);
  EXPECT_NEAR(active("Mixtral-8x7B"), 12.9, 0.05);
}

// torchvision states 17.56 "GFLOPs" an image for vit_b_16 (its models/vision_transformer.py), and means MACs.
TEST(PublishedModels, TakeTheWorkAnImageThatTorchvisionStates) {
  const Architecture vit = architecture_named("ViT-B/16");
  ASSERT_EQ(vit.sequence, 197);
  const auto work = work_per_token(vit, {.context = *vit.sequence});
  ASSERT_TRUE(work);
  EXPECT_NEAR(*vit.sequence * work->forward / flop / 2e9, 17.56, 0.02);
}

TEST(PublishedModels, TakeLessWithAdaptersThanInFull) {
  for (const Model& model : kModels) {
    const Architecture architecture = architecture_named(model.name);
    const auto full = work_per_token(architecture, {.context = 512});
    const auto lora = work_per_token(architecture, {.context = 512, .lora = Lora{.rank = 8, .targets = {"all"}}});
    ASSERT_TRUE(full && lora) << model.name;
    EXPECT_LT(lora->model(), full->model()) << model.name;
    EXPECT_GT(lora->model(), 2 * full->forward) << model.name;
  }
}

}  // namespace
}  // namespace everywatt
