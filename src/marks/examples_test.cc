// The examples as their users build and run them: one in C with the shared
// library, one in C++ with the static one.
#include "marks/marks_under_test.h"

namespace everywatt::marks {
namespace {

using ::testing::Each;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Examples : public testing::Marks {
 protected:
  int run_program(const char* program) {
    return run([&] {
      ::freopen("/dev/null", "w", stdout);
      ::execl(program, program, nullptr);
      ::_exit(127);
    });
  }
};

TEST_F(Examples, InCIsHeardEpochByEpoch) {
  listen();
  EXPECT_EQ(run_program(EVERYWATT_EXAMPLE_IN_C), 0);
  look();
  EXPECT_THAT(lines_, IsEmpty());
  std::vector<std::string> names;
  for (const PhaseBegin& begin : all<PhaseBegin>()) names.push_back(begin.name);
  EXPECT_THAT(names, ::testing::ElementsAre("epoch", "eval", "epoch", "eval", "epoch", "eval"));
  EXPECT_THAT(all<PhaseEnd>(), SizeIs(6));
  ASSERT_THAT(all<StepMark>(), SizeIs(150));
  EXPECT_EQ(all<StepMark>().back().number, 149u);
  EXPECT_THAT(all<CountMark>(), Each(CountMark{.unit = CountUnit::samples, .amount = 4096}));
  ASSERT_THAT(all<MetricMark>(), SizeIs(3));
  EXPECT_EQ(all<MetricMark>().back().name, "loss");
  EXPECT_LT(all<MetricMark>().back().value, 0.01);
  EXPECT_EQ(all<TagMark>().front().value, "gradient descent");
  EXPECT_EQ(only_end(), ProcessEnd{});
}

TEST_F(Examples, InCxxIsHeardThreadByThread) {
  listen();
  EXPECT_EQ(run_program(EVERYWATT_EXAMPLE_IN_CXX), 0);
  look();
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_THAT(all<PhaseBegin>(), SizeIs(1 + 4 * 5));
  EXPECT_THAT(all<WaitBegin>(), SizeIs(4 * 5));
  EXPECT_THAT(all<WaitEnd>(), SizeIs(4 * 5));
  std::map<std::int32_t, int> steps;
  for (const Mark& mark : heard_) steps[mark.lane.thread] += std::holds_alternative<StepMark>(mark.what);
  EXPECT_THAT(steps, SizeIs(5)) << "the main thread takes no step";
  EXPECT_NEAR(all<MetricMark>().at(0).value, 3.14, 0.02);
  EXPECT_EQ(only_end(), ProcessEnd{});
}

TEST_F(Examples, WithoutASupervisorTheyDoTheirWork) {
  ::unsetenv("EVERYWATT_SOCKET");
  EXPECT_EQ(run_program(EVERYWATT_EXAMPLE_IN_C), 0);
  EXPECT_EQ(run_program(EVERYWATT_EXAMPLE_IN_CXX), 0);
}

// Its marks lie in its ring when it ends, before the second attempt would be made: it makes one more.
TEST_F(Examples, ASupervisorThatComesLateHearsWhatEndsEarly) {
  testing::Signal started;
  const pid_t pid = start([&] {
    everywatt_step(1);
    started.give();
    ::usleep(5'000);
    std::exit(0);  // NOLINT: what a job does
  });
  started.await();
  listen();
  end_of(pid);
  look();
  EXPECT_THAT(all<StepMark>(), SizeIs(1));
}

}  // namespace
}  // namespace everywatt::marks
