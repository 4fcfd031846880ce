#include <gmock/gmock.h>

#include "sources/source_under_test.h"

namespace everywatt::testing {
namespace {

using ::testing::HasSubstr;

TEST(Memory, IsAConstantPowerForWhatTheMachineHas) {
  const FixtureTree tree;
  tree.write("proc/meminfo", "MemTotal:       67108864 kB\nMemFree:  1 kB\n");
  auto source = open_source("memory", tree);
  ASSERT_TRUE(source);
  const Channel& memory = *channel(**source, "memory:0");
  EXPECT_EQ(memory.kind, ChannelKind::model);
  EXPECT_EQ(memory.method, Method::modelled);
  EXPECT_DOUBLE_EQ(memory.model.at(0) / watt, 24.0);
  EXPECT_DOUBLE_EQ(memory.model.at(1) / watt, 24.0);
  EXPECT_EQ(device(**source, "memory:0")->follows, "*");
  EXPECT_THAT(memory.provenance, HasSubstr("0.375 W/GB"));
}

TEST(Memory, WithoutATotalThereIsNoGuess) {
  const FixtureTree tree;
  tree.write("proc/meminfo", "MemFree:  1 kB\n");
  const auto source = open_source("memory", tree);
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, Errc::malformed);
}

}  // namespace
}  // namespace everywatt::testing
