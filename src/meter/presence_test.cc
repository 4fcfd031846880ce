// Runs of one host that see each other through files of a folder.
#include "meter/presence.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

TEST(Presence, RunsSeeEachOtherUntilTheyLeave) {
  const testing::FixtureTree folder;
  auto first = Presence::announce(folder.root(), {.run = "first", .from = 1});
  auto second = Presence::announce(
      folder.root(),
      {.run = "second", .parent = "first", .reservation = {.cpus = std::vector<unsigned>{0, 2}}, .from = 5});
  ASSERT_TRUE(first && second);
  const auto seen = first->tenants(10);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].run, "second");
  EXPECT_EQ(seen[1].parent, "first");
  EXPECT_EQ(seen[1].reservation.cpus, (std::vector<unsigned>{0, 2}));
  ASSERT_TRUE(second->leave(20, std::vector<WorkReading>{{.time = 20, .device = "package:0", .worked = 7}}));
  EXPECT_EQ(first->tenants(21)[1].to, 20);
  EXPECT_EQ(first->tenants(20 + 10 * kSecond).size(), 1u);
}

TEST(Presence, ARunThatDiedReservesNothing) {
  const testing::FixtureTree folder;
  auto first = Presence::announce(folder.root(), {.run = "first"});
  {
    auto dead = Presence::announce(folder.root(), {.run = "dead"});
  }
  ASSERT_TRUE(first);
  EXPECT_EQ(first->tenants(10).size(), 1u);
}

TEST(Presence, StrangeFilesInTheFolderAreNobodys) {
  const testing::FixtureTree folder;
  folder.write("noise", "not a presence");
  folder.write("liar", "everywatt-presence 1\nrun someone-else\nfrom 0\nend\n");
  auto first = Presence::announce(folder.root(), {.run = "first"});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->tenants(10).size(), 1u);
}

TEST(Presence, WhoComesAfterTheFolderWasMadeAnewIsSeen) {
  const testing::FixtureTree parent;
  const std::filesystem::path folder = parent.root() / "everywatt";
  const auto settle = [] { std::this_thread::sleep_for(std::chrono::milliseconds{150}); };
  std::filesystem::create_directory(folder);
  auto first = Presence::announce(folder, {.run = "first"});
  ASSERT_TRUE(first);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  settle();
  EXPECT_EQ(first->tenants(10).size(), 1u);
  auto second = Presence::announce(folder, {.run = "second", .from = 5});
  ASSERT_TRUE(second);
  EXPECT_EQ(first->tenants(20).size(), 2u);
}

}  // namespace
}  // namespace everywatt
