#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/bill_json.h"
#include "report/bill_text.h"
#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Bill bill_on(const std::string& model) {
  RunRecord record{.run = {.id = "4v7c0y2m1k", .name = "train"}};
  record.run.status = RunStatus::finished;
  record.run.started = {.steady = 0, .wall = 1'700'000'000 * kSecond};
  record.run.ended = {{.steady = 10 * kSecond, .wall = 1'700'000'010 * kSecond}};
  record.run.work = {{"flops_bf16", 4 * 989e12}, {"recomputed_flops_bf16", 989e12}, {"tokens", 1000}};
  for (int i = 0; i < 2; ++i) {
    record.devices.push_back({.device = {.id = "gpu:GPU-" + std::to_string(i), .kind = DeviceKind::gpu, .model = model},
                              .method = Method::counter,
                              .measured = 1'000'000'000,
                              .reserved_time = 10 * kSecond});
    record.entries.push_back({.device = record.devices.back().device.id, .phase = "epoch", .energy = 1'000'000'000});
  }
  record.phases = {{.path = "epoch", .count = 1, .duration = 8 * kSecond, .work = record.run.work},
                   {.path = "load", .count = 1, .duration = kSecond}};
  return bill_of(std::move(record));
}

std::string plain(const Bill& bill) { return bill_text(bill, Style{Paint::plain}); }

// As one line.
std::string flat(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c != '\n' && !(c == ' ' && out.ends_with(' ')))
      out += c;
    else if (!out.ends_with(' '))
      out += ' ';
  return out;
}

TEST(ComputeReport, TheBillSaysWhatWasDoneAndHowMuchOfThePeakThatWas) {
  const std::string text = plain(bill_on("NVIDIA H100 80GB HBM3"));
  EXPECT_THAT(
      flat(text),
      HasSubstr("compute 3.96e15 FLOP in bf16, 1.98 TFLOP/J; MFU 20 % of what 2 × H100 SXM5 can do at most, HFU 25 %"));
  EXPECT_THAT(text, HasSubstr("MFU\n"));
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    EXPECT_LE(columns(std::string_view{text}.substr(at, end - at)), kPageWidth);
    at = end + 1;
  }
}

TEST(ComputeReport, WithoutAPeakTheBillSaysWhy) {
  const std::string text = flat(plain(bill_on("NVIDIA H800")));
  EXPECT_THAT(text, HasSubstr("1.98 TFLOP/J; no MFU: no accelerator 'NVIDIA H800' in the table"));
  EXPECT_THAT(text, Not(HasSubstr("MFU 2")));
}

TEST(ComputeReport, WithoutCountsItSaysNothing) {
  Bill bill = bill_on("NVIDIA H100 80GB HBM3");
  bill.run.work = {{"tokens", 1000}};
  EXPECT_THAT(plain(bill), Not(HasSubstr("compute")));
}

TEST(ComputeReport, JsonHasFiguresPeaksAndReasons) {
  const auto known = nlohmann::json::parse(bill_json(bill_on("NVIDIA H100 80GB HBM3")));
  EXPECT_DOUBLE_EQ(known["compute"]["mfu"], 0.2);
  EXPECT_DOUBLE_EQ(known["compute"]["hfu"], 0.25);
  EXPECT_DOUBLE_EQ(known["compute"]["hardware_flops"], 5 * 989e12);
  EXPECT_TRUE(known["compute"]["reasons"].empty());
  EXPECT_EQ(known["compute"]["peaks"][0]["accelerator"], "H100 SXM5");
  EXPECT_DOUBLE_EQ(known["compute"]["peaks"][0]["peak_flops_per_second"], 989e12);
  EXPECT_DOUBLE_EQ(known["work"]["recomputed_flops"]["bf16"], 989e12);
  EXPECT_DOUBLE_EQ(known["phases"][1]["compute"]["mfu"], 0.25);
  EXPECT_EQ(known["phases"][1]["work"]["tokens"], 1000);
  EXPECT_TRUE(known["phases"][2]["compute"].is_null());
  const auto unknown = nlohmann::json::parse(bill_json(bill_on("NVIDIA H800")));
  EXPECT_TRUE(unknown["compute"]["mfu"].is_null());
  EXPECT_THAT(std::string{unknown["compute"]["reasons"]["mfu"]}, HasSubstr("H800"));
  EXPECT_TRUE(unknown["compute"]["peaks"][0]["peak_flops_per_second"].is_null());
}

}  // namespace
}  // namespace everywatt
