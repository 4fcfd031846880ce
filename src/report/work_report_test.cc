#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "report/format.h"
#include "report/work_text.h"

namespace everywatt {
namespace {

using testing::HasSubstr;
using testing::Not;

WorkQuestion llama() {
  TransformerShape shape{.family = "llama",
                         .layers = 32,
                         .width = 4096,
                         .inner = 11008,
                         .attention = {.heads = 32, .key_value_heads = 32, .key_size = 128, .value_size = 128},
                         .vocabulary = 32000,
                         .embedding_width = 4096};
  return {.shape = shape,
          .tokens = 2e12,
          .recompute = Recompute::full,
          .device = DeviceQuestion{.name = "NVIDIA A100-SXM4-80GB",
                                   .precision = PeakPrecision::bf16,
                                   .devices = 1024,
                                   .time = 600'000 * second,
                                   .energy = 2.5e11 * joule}};
}

const Style kPlain{Paint::plain};

// A token of training takes 6 × 6,607,077,376 + 12 × 32 × 4096 × 4096 = 46.09 GFLOP; the devices could have done
// 1024 × 600,000 s × 312 TFLOP/s = 1.917e23.
TEST(WorkReport, FitsOnAPage) {
  const std::string text = work_text(*state_work(llama()), "models/llama-2-7b/config.json", kPlain);
  for (const std::string_view line : split(text, '\n')) EXPECT_LE(columns(line), 80u) << line;
  EXPECT_THAT(text, HasSubstr("6,738,415,616"));
  EXPECT_THAT(text, HasSubstr("9.22e22 FLOP, model FLOPs for 2e12 tokens (full attention)"));
  EXPECT_THAT(text, HasSubstr("1.23e23 FLOP with full recomputation"));
  EXPECT_THAT(text, HasSubstr("312 TFLOP/s in bf16"));
  EXPECT_THAT(text, HasSubstr("48 % vs spec, on 1,024 devices"));
  EXPECT_THAT(text, HasSubstr("64 % vs spec, recomputation included"));
  EXPECT_THAT(text, HasSubstr("369 GFLOP/J"));
}

TEST(WorkReport, HasAReasonInPlaceOfANumber) {
  WorkQuestion question = llama();
  question.device->name = "abacus";
  const WorkStatement statement = *state_work(question);
  EXPECT_THAT(work_text(statement, "x", kPlain), HasSubstr("no figure: no accelerator 'abacus'"));
  const auto json = nlohmann::json::parse(work_json(statement, "x"));
  EXPECT_TRUE(json["utilisation"]["mfu"].is_null());
  EXPECT_THAT(json["utilisation"]["reason"].get<std::string>(), HasSubstr("abacus"));
  EXPECT_TRUE(json["device"]["peak_flops_per_second"].is_null());
}

TEST(WorkReport, AsJsonSaysWhatWasCountedAndHow) {
  const auto json = nlohmann::json::parse(work_json(*state_work(llama()), "config.json"));
  EXPECT_EQ(json["schema"], "everywatt.flops/1");
  EXPECT_EQ(json["model"]["parameters"]["total"], 6'738'415'616);
  EXPECT_EQ(json["training"]["convention"], "full");
  EXPECT_EQ(json["training"]["recompute"], "full");
  const double forward = json["forward_flops_per_token"];
  EXPECT_DOUBLE_EQ(json["training"]["model_flops"].get<double>(), 3 * forward * 2e12);
  EXPECT_DOUBLE_EQ(json["training"]["hardware_flops"].get<double>(), 4 * forward * 2e12);
  EXPECT_EQ(json["utilisation"]["basis"], "vs spec");
  EXPECT_EQ(json["device"]["power"]["term"], "TDP");
  EXPECT_TRUE(json["hardware_based"].is_null());
}

TEST(WorkReport, OfNumbersSaysThatItIsAnEstimate) {
  const std::string text = work_text(*state_work({.parameters = 3.8e9, .tokens = 3.3e12}), "3.8e9 parameters", kPlain);
  EXPECT_THAT(text, HasSubstr("7.52e22 FLOP"));
  EXPECT_THAT(text, HasSubstr("(6ND, no attention)"));
  EXPECT_THAT(text, Not(HasSubstr("full attention")));
}

TEST(Format, ShowsCountsAndFlopsAsPeopleWriteThem) {
  EXPECT_EQ(show_count(7), "7");
  EXPECT_EQ(show_count(4096), "4,096");
  EXPECT_EQ(show_count(200000), "200,000");
  EXPECT_EQ(show_count(6738415616), "6,738,415,616");
  EXPECT_EQ(show_count(3.3e12), "3.3e12");
  EXPECT_EQ(show_count(12.5), "12.5");
  EXPECT_EQ(show_flops(15.4e9), "15.4 GFLOP");
  EXPECT_EQ(show_flops(989e12), "989 TFLOP");
  EXPECT_EQ(show_flops(1e25), "1e25 FLOP");
  EXPECT_EQ(show_flops(1.0799e23), "1.08e23 FLOP");
}

}  // namespace
}  // namespace everywatt
