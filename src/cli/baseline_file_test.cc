#include "cli/baseline_file.h"

#include <gmock/gmock.h>

#include "cli/baseline_folder.h"
#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Baseline baseline_of(const std::string& model, const std::string& hardware) {
  Baseline baseline{.set = "2026-11-24T03:02:01.123Z", .profile = {}};
  Profile& profile = baseline.profile;
  profile = {.run = "r1", .name = "train \"x\"", .model = model, .hardware = hardware, .boundary = "components"};
  profile.environment = {{"torch", "2.4.1"}, {"tag: lr", "0.1"}};
  profile.phase = "train/epoch";
  profile.times = {{5 * kSecond, 6 * kSecond + 1, 1'234'567}, {7 * kSecond, 9 * kSecond, 0}};
  profile.duration = 12'345'678'901;
  profile.energy = 9'876'543;
  profile.waits = 17;
  profile.flops = 1.5e15;
  return baseline;
}

TEST(BaselineFile, GivesBackWhatWasWritten) {
  const testing::FixtureTree tree;
  const BaselineFolder folder{tree.root() / "baselines"};
  const Baseline written = baseline_of("mlp", "a CPU + 2 × H100");
  ASSERT_TRUE(folder.write(written));
  const auto all = folder.all_of("mlp");
  ASSERT_TRUE(all) << all.error().what;
  ASSERT_THAT(*all, SizeIs(1));
  const Profile &a = all->front().profile, &b = written.profile;
  EXPECT_EQ(all->front().set, written.set);
  EXPECT_EQ(std::tie(a.run, a.name, a.model, a.hardware, a.boundary, a.environment, a.phase),
            std::tie(b.run, b.name, b.model, b.hardware, b.boundary, b.environment, b.phase));
  EXPECT_EQ(std::tie(a.duration, a.energy, a.idle, a.waits, a.flops),
            std::tie(b.duration, b.energy, b.idle, b.waits, b.flops));
  ASSERT_THAT(a.times, SizeIs(2));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(a.times[i].end - a.times[i].begin, b.times[i].end - b.times[i].begin);
    EXPECT_EQ(a.times[i].begin - a.times[0].begin, b.times[i].begin - b.times[0].begin);
    EXPECT_EQ(a.times[i].energy, b.times[i].energy);
  }
}

TEST(BaselineFile, ThereIsOneForEachModelAndHardware) {
  const testing::FixtureTree tree;
  const BaselineFolder folder{tree.root()};
  for (const std::string hardware : {"one", "other", "one"}) ASSERT_TRUE(folder.write(baseline_of("mlp", hardware)));
  ASSERT_TRUE(folder.write(baseline_of("../escape", "one")));
  EXPECT_THAT(*folder.all_of("mlp"), SizeIs(2));
  EXPECT_THAT(*folder.all_of(""), SizeIs(3));
  EXPECT_THAT(*BaselineFolder{tree.root() / "nowhere"}.all_of(""), SizeIs(0));
}

TEST(BaselineFile, WhatIsNoBaselineIsNamed) {
  const auto refused = [](const std::string& text) { return parse_baseline(text, "a.json").error().what; };
  EXPECT_THAT(refused("[]"), HasSubstr("a.json is no baseline: it is no JSON object"));
  EXPECT_THAT(refused(R"({"schema":"everywatt.baseline/2"})"), HasSubstr("schema"));
  EXPECT_THAT(refused(R"({"schema":"everywatt.baseline/1"})"), HasSubstr("'set' should be a text"));
  std::string text = baseline_json(baseline_of("mlp", "one"));
  text.replace(text.find("1.234567"), 8, "\"many\"");
  EXPECT_THAT(refused(text), HasSubstr("'times'"));
}

}  // namespace
}  // namespace everywatt
