#include "import/git_index.h"

#include <gmock/gmock.h>

namespace everywatt {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string number(std::uint32_t value, int size = 4) {
  std::string text;
  for (int i = size - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string file(const std::string& path, std::uint32_t size, std::uint32_t flags = 0) {
  std::string text = number(1) + number(2) + number(1'700'000'000) + number(5) + number(8) + number(9) +
                     number(0100644) + number(0) + number(0) + number(size) + std::string(20, 'h') +
                     number(flags | static_cast<std::uint32_t>(path.size()), 2) + path;
  text.append(8 - text.size() % 8, '\0');
  return text;
}

std::string index_of(const std::string& files, std::uint32_t count, const std::string& extensions = "") {
  return "DIRC" + number(2) + number(count) + files + extensions + std::string(20, 'c');
}

std::string tree(const std::string& count) {
  const std::string body = std::string{"\0", 1} + count + " 0\n" + std::string(20, 't');
  return "TREE" + number(static_cast<std::uint32_t>(body.size())) + body;
}

TEST(GitIndex, TellsHowEachFileLooked) {
  const auto index = read_git_index(index_of(file("a", 7) + file("folder/b.py", 4096), 2, tree("2")));
  ASSERT_TRUE(index) << index.error().what;
  ASSERT_THAT(index->files, SizeIs(2));
  EXPECT_EQ(index->files[1].path, "folder/b.py");
  EXPECT_EQ(index->files[1].size, 4096u);
  EXPECT_EQ(index->files[1].modified_seconds, 1'700'000'000u);
  EXPECT_EQ(index->files[1].modified_nanoseconds, 5u);
  EXPECT_TRUE(index->files[1].is_plain);
  EXPECT_TRUE(index->is_written_as_tree);
  EXPECT_FALSE(index->has_conflicts);
}

TEST(GitIndex, KnowsThatSomethingWasStaged) {
  EXPECT_FALSE(read_git_index(index_of(file("a", 7), 1, tree("-1")))->is_written_as_tree);
  EXPECT_FALSE(read_git_index(index_of(file("a", 7), 1))->is_written_as_tree);
  EXPECT_TRUE(read_git_index(index_of(file("a", 7, 0x1000), 1, tree("1")))->has_conflicts);
}

TEST(GitIndex, WhatItDoesNotKnowIsRefused) {
  EXPECT_THAT(read_git_index("DIRC" + number(4) + number(0)).error().what, HasSubstr("version 4"));
  EXPECT_THAT(read_git_index("PK\3\4 and more of it").error().what, HasSubstr("no index"));
  EXPECT_THAT(read_git_index(index_of(file("a", 7), 1, "link" + number(0))).error().what, HasSubstr("not known"));
}

// Where exactly as much is left as a checksum takes, the checksum alone could tell.
TEST(GitIndex, CutAnywhereItIsRefusedOrTellsLess) {
  const std::string whole = index_of(file("a", 7) + file("folder/b.py", 4096), 2, tree("2"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = read_git_index(std::string_view{whole}.substr(0, size));
    EXPECT_TRUE(!cut || (cut->files.size() == 2 && !cut->is_written_as_tree)) << size;
  }
}

}  // namespace
}  // namespace everywatt
