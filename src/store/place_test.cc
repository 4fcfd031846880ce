#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "store/file_names.h"
#include "store/store_fixture.h"

namespace everywatt {
namespace {

using ::testing::HasSubstr;
using testing::must;

// The variables that decide, put back afterwards.
class DefaultPlace : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"EVERYWATT_DB", "EVERYWATT_STORE_FORM", "XDG_DATA_HOME", "HOME", "TMPDIR"}) {
      const char* value = std::getenv(name);
      before_[name] = value ? std::optional<std::string>{value} : std::nullopt;
      ::unsetenv(name);
    }
    ::setenv("TMPDIR", tree_.root().c_str(), 1);
  }
  void TearDown() override {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }

  testing::FixtureTree tree_;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(DefaultPlace, IsWhatTheEnvironmentSays) {
  set("EVERYWATT_DB", "/some/where.db");
  set("EVERYWATT_STORE_FORM", "file-per-run");
  const StorePlace place = must(default_store_place());
  EXPECT_EQ(place.path, "/some/where.db");
  EXPECT_EQ(place.form, StoreForm::file_per_run);
  EXPECT_EQ(place.notice, std::nullopt);
  set("EVERYWATT_STORE_FORM", "one-file");
  EXPECT_EQ(must(default_store_place()).form, StoreForm::one_file);
  set("EVERYWATT_STORE_FORM", "sideways");
  const auto wrong = default_store_place();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Errc::misuse);
  EXPECT_THAT(wrong.error().what, HasSubstr("'sideways'"));
}

TEST_F(DefaultPlace, IsInTheDataFolderElseUnderHome) {
  set("HOME", tree_.root());
  EXPECT_EQ(must(default_store_place()).path, tree_.root() / ".local/share/everywatt/everywatt.db");
  set("XDG_DATA_HOME", tree_.root() / "data");
  EXPECT_EQ(must(default_store_place()).path, tree_.root() / "data/everywatt/everywatt.db");
  set("XDG_DATA_HOME", "not/absolute");
  EXPECT_EQ(must(default_store_place()).path, tree_.root() / ".local/share/everywatt/everywatt.db");
}

TEST_F(DefaultPlace, WithoutAHomeIsOursAloneAndSaysSo) {
  for (const char* home : {"", "/nonexistent", "/proc"}) {
    set("HOME", home);
    const StorePlace place = must(default_store_place());
    const auto folder = tree_.root() / ("everywatt-" + std::to_string(::geteuid()));
    EXPECT_EQ(place.path, folder / "everywatt.db");
    ASSERT_TRUE(place.notice) << home;
    EXPECT_THAT(*place.notice, HasSubstr(folder.string()));
    struct stat status{};
    ASSERT_EQ(::stat(folder.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u);
  }
}

TEST_F(DefaultPlace, RefusesAFolderThatOthersMayWrite) {
  const auto folder = tree_.root() / ("everywatt-" + std::to_string(::geteuid()));
  std::filesystem::create_directory(folder);
  ::chmod(folder.c_str(), 0777);
  EXPECT_EQ(default_store_place().error().code, Errc::denied);
  std::filesystem::remove(folder);
  std::filesystem::create_directory(tree_.root() / "elsewhere");
  std::filesystem::create_symlink(tree_.root() / "elsewhere", folder);
  EXPECT_EQ(default_store_place().error().code, Errc::denied);
}

TEST(FileNames, OneForEachTextAndNoneIsAPath) {
  EXPECT_EQ(file_name_of("k3x9_A-1.5"), "k3x9_A-1.5");
  EXPECT_EQ(file_name_of("../up"), "%2e.%2fup");
  EXPECT_EQ(file_name_of("a%2f"), "a%252f");
  EXPECT_NE(file_name_of(std::string(300, 'a') + "1"), file_name_of(std::string(300, 'a') + "2"));
  EXPECT_LT(file_name_of(std::string(300, '/')).size(), 230u);
}

}  // namespace
}  // namespace everywatt
