#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "report/baseline_text.h"
#include "report/forecast_text.h"

namespace everywatt {
namespace {

using ::testing::HasSubstr;

Profile profile_of(MicroJoules epoch) {
  Profile profile{.run = "r" + std::to_string(epoch),
                  .name = "digits",
                  .model = "digits",
                  .hardware = "h",
                  .boundary = "components"};
  profile.phase = "epoch";
  for (const MicroJoules more : {0, 1'000, 2'000, 1'500}) profile.times.push_back({0, 10 * kSecond, epoch + more});
  profile.energy = 5 * epoch;
  profile.idle = epoch;
  profile.duration = 60 * kSecond;
  return profile;
}

TEST(BaselineReport, SaysWhatChangedBeforeItSaysByHowMuch) {
  const Baseline baseline{.set = "2026-11-24T03:02:01.123Z", .profile = profile_of(100'000'000)};
  Profile run = profile_of(107'000'000);
  run.environment["torch"] = "2.4.1";
  const Comparison comparison = compare(baseline.profile, run);
  const std::string text = comparison_text(baseline, run, comparison, Style{Paint::plain});
  EXPECT_LT(text.find("torch: (not told) → 2.4.1"), text.find("+7.0 % ("));
  EXPECT_THAT(text, HasSubstr("idle                    20 %          20 %"));
  EXPECT_THAT(text, HasSubstr("verdict     worse"));
}

TEST(BaselineReport, JsonHoldsVerdictAndFigures) {
  const Baseline baseline{.set = "s", .profile = profile_of(100'000'000)};
  const Profile run = profile_of(107'000'000);
  const auto json = nlohmann::json::parse(comparison_json(baseline, run, compare(baseline.profile, run)));
  EXPECT_EQ(json["schema"], "everywatt.baseline-check/1");
  EXPECT_EQ(json["verdict"], "worse");
  EXPECT_NEAR(json["energy"]["ratio"].get<double>(), 1.07, 1e-4);
  EXPECT_EQ(json["time"]["outcome"], "same");
  EXPECT_EQ(json["run"]["times"].size(), 4u);
  EXPECT_TRUE(json["run"]["model_flops"].is_null());
}

TEST(BaselineReport, ABaselineSaysWhatItWouldNotMiss) {
  const Baseline baseline{.set = "2026-11-24T03:02:01.123Z", .profile = profile_of(100'000'000)};
  EXPECT_THAT(baseline_text(baseline, Style{Paint::plain}), HasSubstr("nine times of ten"));
}

TEST(ForecastReport, SaysHowFarItIsAndWhatIsToCome) {
  const std::string text = forecast_text({.done = 3,
                                          .expected = 10,
                                          .energy = 12'300'000,
                                          .energy_low = 12'000'000,
                                          .energy_high = 12'600'000,
                                          .duration = 90 * kSecond,
                                          .duration_low = 80 * kSecond,
                                          .duration_high = 100 * kSecond});
  EXPECT_THAT(text, HasSubstr("3 of 10 epochs: 12.3 J (12.0 J to 12.6 J) and 1 min 30 s"));
}

}  // namespace
}  // namespace everywatt
