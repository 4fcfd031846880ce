#include "account/flops.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "account/utilisation.h"

namespace everywatt {
namespace {

using testing::HasSubstr;

TransformerShape llama_7b() {
  return {.family = "llama",
          .layers = 32,
          .width = 4096,
          .inner = 11008,
          .attention = {.heads = 32, .key_value_heads = 32, .key_size = 128, .value_size = 128},
          .vocabulary = 32000,
          .embedding_width = 4096};
}

TransformerShape mixtral() {
  TransformerShape shape = llama_7b();
  shape.attention.key_value_heads = 8;
  shape.experts = ExpertShape{.layers = 32, .experts = 8, .used = 2, .inner = 14336};
  return shape;
}

Work per_token(const TransformerShape& shape, const Training& training) {
  const auto work = work_per_token(architecture_of(shape), training);
  EXPECT_TRUE(work) << work.error().what;
  return work.value_or(Work{});
}

double flops(Flop work) { return work / flop; }

TEST(Flops, AMacIsTwoFlops) { EXPECT_EQ(flops_of(3 * mac) / flop, 6); }

TEST(Flops, CountWhatMultipliesApartFromTablesBiasesAndNorms) {
  const ParameterCounts counts = count_parameters(architecture_of(llama_7b()));
  EXPECT_EQ(counts.total, 6'738'415'616);
  EXPECT_EQ(counts.matmul, 6'738'415'616 - 32000 * 4096 - 65 * 4096);  // less the table and 2 × 32 + 1 norms
  EXPECT_EQ(counts.active, counts.total);
}

TEST(Flops, ATiedHeadMultipliesAndIsStoredOnce) {
  TransformerShape shape = llama_7b();
  const ParameterCounts own = count_parameters(architecture_of(shape));
  shape.head = Head::tied;
  const ParameterCounts tied = count_parameters(architecture_of(shape));
  EXPECT_EQ(tied.matmul, own.matmul);
  EXPECT_EQ(tied.total, own.total - 32000 * 4096);
}

// torchtitan, models/utils.py: 6 * nparams_for_matmul + 6 * n_layers * n_heads * head_dims * seq_len,
// head_dims being the sizes of keys and values together.
TEST(Flops, AgreeWithTorchtitansFormula) {
  for (const double context : {512.0, 4096.0, 131072.0}) {
    const Work work = per_token(llama_7b(), {.context = context});
    const double matmul = count_parameters(architecture_of(llama_7b())).active_matmul;
    EXPECT_EQ(flops(work.model()), 6 * matmul + 6 * 32 * 32 * (128 + 128) * context) << context;
  }
}

// Narayanan et al. 2021 (arXiv 2104.04473), 5.1, without recomputation: 72·L·h²·(1 + s/6h + V/12Lh) a token,
// of GPT with an MLP of 4h. Their 96 … with recomputation has the head once, as frameworks that recompute layers do;
// `full` here is the whole forward pass.
TEST(Flops, AgreeWithMegatronsClosedForm) {
  constexpr double kLayers = 24, kWidth = 2304, kContext = 2048, kVocabulary = 51200;
  TransformerShape gpt{.layers = kLayers,
                       .width = kWidth,
                       .inner = 4 * kWidth,
                       .mlp = MlpKind::plain,
                       .attention = {.heads = 24, .key_value_heads = 24, .key_size = 96, .value_size = 96},
                       .vocabulary = kVocabulary,
                       .embedding_width = kWidth,
                       .head = Head::tied};
  const double closed =
      72 * kLayers * kWidth * kWidth * (1 + kContext / (6 * kWidth) + kVocabulary / (12 * kLayers * kWidth));
  EXPECT_DOUBLE_EQ(flops(per_token(gpt, {.context = kContext}).model()), closed);
}

TEST(Flops, OfAttentionAreHalvedWhereCausalityIsCounted) {
  const Work full = per_token(llama_7b(), {.context = 8192});
  const Work causal = per_token(llama_7b(), {.context = 8192, .attention = AttentionCount::causal});
  EXPECT_EQ(flops(full.attention()), 2 * flops(causal.attention()));
  EXPECT_EQ(flops(full.model() - full.attention()), flops(causal.model() - causal.attention()));
}

TEST(Flops, OfAWindowStopGrowingWithTheContext) {
  TransformerShape shape = llama_7b();
  shape.windows = {{.layers = 32, .window = 1024}};
  const auto attention = [&](Count context, AttentionCount count) {
    return flops(per_token(shape, {.context = context, .attention = count}).attention_forward);
  };
  EXPECT_EQ(attention(1024, AttentionCount::full), attention(65536, AttentionCount::full));
  EXPECT_EQ(attention(1024, AttentionCount::causal), attention(1024, AttentionCount::full) / 2);
  // At the start of the sequence the window is not full yet: 1024 − 1024² / (2 × 2048) keys.
  EXPECT_EQ(attention(2048, AttentionCount::causal), attention(1024, AttentionCount::full) * 0.75);
}

TEST(Flops, AreLinearInTokens) {
  const Work one = per_token(llama_7b(), {.context = 2048, .recompute = Recompute::full});
  const Work many = 1e12 * one;
  EXPECT_DOUBLE_EQ(flops(many.model()), 1e12 * flops(one.model()));
  EXPECT_DOUBLE_EQ(flops(many.hardware()), 1e12 * flops(one.hardware()));
}

// 8N + 16·L·d·T of the hardware where everything is computed again, 6N + 12·L·d·T of the model in any case.
TEST(Flops, OfTheHardwareGrowWithRecomputationAndThoseOfTheModelDoNot) {
  const auto of = [](Recompute recompute) { return per_token(llama_7b(), {.context = 4096, .recompute = recompute}); };
  const Work none = of(Recompute::none);
  const Work selective = of(Recompute::selective);
  const Work full = of(Recompute::full);
  EXPECT_EQ(flops(none.hardware()), flops(none.model()));
  EXPECT_EQ(flops(full.model()), flops(none.model()));
  EXPECT_DOUBLE_EQ(flops(full.hardware()), flops(full.model()) * 4 / 3);
  EXPECT_EQ(flops(selective.hardware() - selective.model()), 4.0 * 32 * 4096 * 4096);
}

TEST(Flops, OfExpertsAreThoseOfTheOnesInUse) {
  const ParameterCounts counts = count_parameters(architecture_of(mixtral()));
  EXPECT_EQ(counts.total, 46'702'792'704);
  EXPECT_EQ(counts.active, 46'702'792'704 - 32.0 * 6 * 3 * 4096 * 14336);
  EXPECT_LT(counts.active_matmul, counts.matmul);
  const Work work = per_token(mixtral(), {.context = 4096});
  EXPECT_EQ(flops(work.forward - work.attention_forward), 2 * counts.active_matmul);
}

TEST(Flops, OfAdaptersSpareTheGradientsOfFrozenWeights) {
  const Training training{.context = 2048, .lora = Lora{.rank = 16, .targets = {"q_proj", "v"}}};
  const Architecture architecture = architecture_of(llama_7b());
  const double adapters = *count_adapters(architecture, *training.lora);
  EXPECT_EQ(adapters, 2 * 32 * 16 * (4096 + 4096));
  const Work lora = per_token(llama_7b(), training);
  const Work full = per_token(llama_7b(), {.context = 2048});
  const double matmul = count_parameters(architecture).active_matmul;
  EXPECT_EQ(flops(lora.model() - lora.attention()), 4 * matmul + 6 * adapters);
  EXPECT_LT(flops(lora.model()), flops(full.model()));
  EXPECT_EQ(flops(lora.attention()), flops(full.attention()));
}

TEST(Flops, OfAdaptersForNothingThatIsThereAreRefused) {
  const auto work = work_per_token(architecture_of(llama_7b()),
                                   {.context = 2048, .lora = Lora{.rank = 16, .targets = {"q", "query"}}});
  ASSERT_FALSE(work);
  EXPECT_EQ(work.error().code, Errc::misuse);
  EXPECT_THAT(work.error().what, testing::AllOf(HasSubstr("'query'"), HasSubstr("q, k, v, o, gate, up, down")));
}

TEST(Flops, OfAPoolerAreSpreadOverTheSequence) {
  TransformerShape shape = llama_7b();
  shape.head = Head::none;
  const Work body = per_token(shape, {.context = 512});
  shape.head = Head::pooler;
  const Work pooled = per_token(shape, {.context = 512});
  EXPECT_DOUBLE_EQ(flops(pooled.forward - body.forward), 2.0 * 4096 * 4096 / 512);
}

// ResNet-50's first layer: 7 × 7, 3 to 64 channels, 112 × 112 out; 118 million MACs (He et al. 2015, table 1).
TEST(Flops, OfAConvolutionAreItsWeightsAtEachPlaceOfTheOutput) {
  const Convolution first{.input_channels = 3,
                          .output_channels = 64,
                          .kernel_height = 7,
                          .kernel_width = 7,
                          .output_height = 112,
                          .output_width = 112};
  EXPECT_EQ(macs_of(first) / mac, 118'013'952);
  Convolution depthwise = first;
  depthwise.input_channels = 64;
  depthwise.groups = 64;
  EXPECT_EQ(weights_of(depthwise), 64 * 7 * 7);
}

TEST(Flops, TakeConvolutionsAloneAsAModelToo) {
  const Architecture architecture{.convolutions = {{.input_channels = 8,
                                                    .output_channels = 8,
                                                    .kernel_height = 3,
                                                    .kernel_width = 3,
                                                    .output_height = 10,
                                                    .output_width = 10}}};
  const auto work = work_per_token(architecture, {.context = 1});  // one image
  ASSERT_TRUE(work);
  EXPECT_EQ(flops(work->forward), 2.0 * 8 * 8 * 9 * 100);
  EXPECT_EQ(flops(work->backward), 2 * flops(work->forward));
}

// Guidelines of the European Commission for providers of general-purpose AI models (18 July 2025), annex.
// The guidelines round; the products are exact.
TEST(Flops, GiveTheExamplesOfTheEuropeanCommission) {
  struct Case {
    double parameters;
    double tokens;
    double flops;
  };
  constexpr Case kCases[] = {{3.8e9, 3.3e12, 7.5e22}, {0.6e9, 36e12, 1.3e23}, {1.54e9, 18e12, 1.66e23},
                             {1.7e9, 36e12, 3.7e23},  {2.5e9, 12e12, 1.8e23}, {2.6e9, 1e13, 1.56e23}};
  for (const Case& c : kCases) {
    EXPECT_NEAR(flops(six_nd(c.parameters, c.tokens)), c.flops, 0.01 * c.flops) << c.parameters;
    EXPECT_DOUBLE_EQ(flops(from_passes(c.tokens, 6 * c.parameters * flop)), flops(six_nd(c.parameters, c.tokens)));
  }
  const auto hardware = [](double hours, double teraflops) {
    return flops(from_hardware(hours * 3600 * second, (teraflops * 1e12 * flop) / second, 0.5));
  };
  EXPECT_NEAR(hardware(200'000, 300), 1.08e23, 1e19);
  EXPECT_NEAR(hardware(370'000, 989), 6.59e23, 1e21);
}

TEST(Utilisation, IsWorkOfWhatTheDevicesCouldHaveDone) {
  const FlopRate peak = (989e12 * flop) / second;
  EXPECT_DOUBLE_EQ(utilisation(989e12 * 4 * 50 * flop, peak, {.devices = 8, .time = 50 * second}), 0.5);
  // Boost clocks are higher than those that a peak is stated for: above 1 stays above 1.
  EXPECT_DOUBLE_EQ(utilisation(1088e12 * flop, peak, {.devices = 1, .time = 1 * second}), 1088.0 / 989);
  EXPECT_DOUBLE_EQ(work_per_energy(2e12 * flop, 4 * joule) / (flop / joule), 0.5e12);
}

}  // namespace
}  // namespace everywatt
