// A working copy as git itself makes it.
#include "cli/git_state.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "base/file.h"
#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

class GitState : public ::testing::Test {
 protected:
  void SetUp() override {
    git("init --initial-branch=main");
    tree_.write("train.py", "print(1)\n");
    tree_.write("folder/model.py", "print(2)\n");
    wait_a_moment();
    git("add .");
    commit("first");
  }
  void git(const std::string& what) const {
    const std::string command = "git -C " + tree_.root().string() + " -c user.name=n -c user.email=e " + what;
    ASSERT_EQ(std::system(("(" + command + ") >/dev/null 2>&1").c_str()), 0) << command;
  }
  void commit(const std::string& message) const { git("commit -m " + message); }
  // A file that changes in the moment in which git looks at it is not told from one that did not.
  static void wait_a_moment() { std::this_thread::sleep_for(std::chrono::milliseconds{20}); }
  testing::FixtureTree tree_;
};

TEST_F(GitState, TheCommitIsTheOneThatGitNames) {
  git("rev-parse HEAD > " + (tree_.root() / "told").string());
  const std::string before = git_commit(tree_.root());
  EXPECT_EQ(before, read_line(tree_.root() / "told").value_or("git says nothing"));
  git("pack-refs --all");
  EXPECT_EQ(git_commit(tree_.root()), before);
  git("checkout --detach");
  EXPECT_EQ(git_commit(tree_.root()), before);
}

TEST_F(GitState, AWorktreeHasACommitOfItsOwn) {
  const std::string worktree = (tree_.root() / "other").string();
  git("worktree add -b side " + worktree);
  EXPECT_EQ(git_commit(worktree), git_commit(tree_.root()));
  EXPECT_NE(git_dirty(worktree), "true");
}

TEST_F(GitState, IsFoundFromWithin) {
  EXPECT_EQ(repository_around(tree_.root() / "folder"), tree_.root());
  EXPECT_FALSE(repository_around("/proc/self"));
}

TEST_F(GitState, AfterACommitNothingIsChanged) {
  EXPECT_EQ(git_dirty(tree_.root()), "false");
  tree_.write("notes.txt", "not tracked");
  EXPECT_EQ(git_dirty(tree_.root()), "false");
}

TEST_F(GitState, AFileThatIsLongerOrGoneIsAChange) {
  tree_.write("train.py", "print(1234)\n");
  EXPECT_EQ(git_dirty(tree_.root()), "true");
  git("checkout train.py");
  EXPECT_NE(git_dirty(tree_.root()), "true");
  tree_.remove("folder/model.py");
  EXPECT_EQ(git_dirty(tree_.root()), "true");
}

TEST_F(GitState, WhatOnlyContentsCouldTellIsNotKnown) {
  tree_.write("train.py", "print(9)\n");  // as long as before
  EXPECT_EQ(git_dirty(tree_.root()), "unknown");
  git("checkout train.py");
  tree_.write("new.py", "print(3)\n");
  wait_a_moment();
  git("add new.py");
  EXPECT_EQ(git_dirty(tree_.root()), "unknown");
  commit("second");
  EXPECT_EQ(git_dirty(tree_.root()), "false");
}

}  // namespace
}  // namespace everywatt
