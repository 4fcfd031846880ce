#include "cli/budget_keeper.h"

#include <gmock/gmock.h>

namespace everywatt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AskedJob final : public Job {
 public:
  int asked = 0;
  pid_t pid() const override { return 1; }
  int event_fd() const override { return -1; }
  std::optional<JobEnd> poll_end() override { return std::nullopt; }
  Nanoseconds cpu_time() override { return 0; }
  Usage usage() override { return {}; }
  std::vector<Survivor> survivors() override { return {}; }
  void ask_to_end() override { ++asked; }
  std::optional<bool> owns(pid_t) const override { return std::nullopt; }
};

TEST(BudgetKeeper, AsksTheJobToEndOnceAndThenOnlyTells) {
  AskedJob job;
  BudgetKeeper keeper{{.budget = {.energy = 100'000'000}, .grace = 30 * kSecond}};
  EXPECT_THAT(keeper.look(10'000'000, kSecond, job), IsEmpty());
  EXPECT_THAT(keeper.look(85'000'000, 2 * kSecond, job),
              ElementsAre(HasSubstr("four fifths are used (85.0 J of 100 J)")));
  EXPECT_FALSE(keeper.has_stopped());
  EXPECT_THAT(keeper.look(101'000'000, 3 * kSecond, job), ElementsAre(HasSubstr("used up"), HasSubstr("asked to end")));
  EXPECT_TRUE(keeper.has_stopped());
  EXPECT_THAT(keeper.look(102'000'000, 32 * kSecond, job), IsEmpty());
  EXPECT_THAT(keeper.look(103'000'000, 33 * kSecond, job), ElementsAre(HasSubstr("it is not killed")));
  EXPECT_THAT(keeper.look(104'000'000, 99 * kSecond, job), IsEmpty());
  EXPECT_EQ(job.asked, 1);
}

TEST(BudgetKeeper, WhoIsToBeWarnedOnlyIsNotStopped) {
  AskedJob job;
  BudgetKeeper keeper{{.budget = {.time = 10 * kSecond}, .action = BudgetPlan::Action::warn}};
  EXPECT_THAT(keeper.look(0, 11 * kSecond, job), ElementsAre(HasSubstr("used up (11.0 s of 10.0 s)")));
  EXPECT_THAT(keeper.look(0, 99 * kSecond, job), IsEmpty());
  EXPECT_EQ(job.asked, 0);
  EXPECT_FALSE(keeper.has_stopped());
}

}  // namespace
}  // namespace everywatt
