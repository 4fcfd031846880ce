#include "analysis/budget.h"

#include <gmock/gmock.h>

namespace everywatt {
namespace {

using ::testing::HasSubstr;
using Stage = BudgetWatch::Stage;

TEST(Budget, IsEnergyOrTimeOrBoth) {
  EXPECT_EQ(parse_budget({"5kWh"})->energy, 18'000'000'000'000);
  EXPECT_EQ(parse_budget({"200 J"})->energy, 200'000'000);
  EXPECT_EQ(parse_budget({"1.5h"})->time, 5400 * kSecond);
  const auto both = parse_budget({"90min", "2MJ"});
  EXPECT_EQ(both->time, 5400 * kSecond);
  EXPECT_EQ(both->energy, 2'000'000'000'000);
  EXPECT_TRUE(parse_budget({})->is_empty());
}

TEST(Budget, AnythingElseIsRefused) {
  for (const std::string text :
       {"", "5", "kWh", "-5kWh", "0J", "5kwh", "5 EUR", "1e30MWh", "nanJ", "5kWh2h", "1..5h", "0.0000001J"})
    EXPECT_THAT(parse_budget({text}).error().what, HasSubstr("'" + text + "'")) << text;
  EXPECT_THAT(parse_budget({"1h", "2h"}).error().what, HasSubstr("already"));
}

TEST(Budget, HasAWordAtFourFifthsAndAnotherAtTheWhole) {
  BudgetWatch watch{{.energy = 100}};
  EXPECT_EQ(watch.judge(79, kSecond), Stage::within);
  EXPECT_EQ(watch.judge(80, kSecond), Stage::near);
  EXPECT_EQ(watch.judge(99, kSecond), Stage::within);
  EXPECT_EQ(watch.judge(100, kSecond), Stage::over);
  EXPECT_EQ(watch.judge(200, kSecond), Stage::within);
}

TEST(Budget, WhicheverIsUsedMostDecides) {
  BudgetWatch watch{{.energy = 100, .time = 10 * kSecond}};
  EXPECT_EQ(watch.judge(50, 8 * kSecond), Stage::near);
  EXPECT_DOUBLE_EQ(watch.used(50, 8 * kSecond), 0.8);
  EXPECT_EQ(watch.judge(130, 8 * kSecond), Stage::over);
}

}  // namespace
}  // namespace everywatt
