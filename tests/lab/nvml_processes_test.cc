// Who holds a context, under drivers of all ages: the stand-in without the functions that each does not have.
#include "sources/nvml_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/fixture_tree.h"
#include "tests/lab/drivers.h"
#include "tests/lab/standin_under_test.h"
#include "tests/lab/symbols.h"

namespace everywatt::nvml {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// A machine with such a driver.
class Old {
 public:
  explicit Old(const std::string& driver, const std::string& processes) {
    const auto lacking = lab::symbols_lacking(driver);
    EXPECT_TRUE(lab::copy_without(
        EVERYWATT_NVML_STANDIN,
        [&](std::string_view symbol) { return std::ranges::find(lacking, symbol) != lacking.end(); }, path_));
    standin_.emplace(path_.c_str());
    EXPECT_EQ(standin_->load("[node]\ndriver = \"" + driver + "\"\n[[gpu]]\nwatts = 100\n" + processes),
              Return::success);
    auto library = Library::open(path_);
    EXPECT_TRUE(library);
    if (library) library_ = *std::move(library);
  }
  std::vector<std::pair<std::uint32_t, std::uint64_t>> list(Processes::Kind kind) {
    Processes processes{library_};
    std::vector<std::pair<std::uint32_t, std::uint64_t>> found;
    for (const ProcessInfo& process : processes.list(kind, standin_->gpu(0)).value_or(std::span<const ProcessInfo>{}))
      found.emplace_back(process.pid, process.memory >> 20);
    return found;
  }
  const Functions& call() const { return library_->call; }
  lab::StandIn& standin() { return *standin_; }

 private:
  testing::FixtureTree tree_;
  std::filesystem::path path_ = tree_.root() / "libnvidia-ml.so.1";
  std::optional<lab::StandIn> standin_;
  std::shared_ptr<Library> library_;
};

std::string process(int pid, int mib, const std::string& more = "") {
  return "[[gpu.process]]\npid = " + std::to_string(pid) + "\nshare = 0\nmemory_mib = " + std::to_string(mib) + "\n" +
         more;
}

class NvmlProcesses : public ::testing::TestWithParam<const char*> {};
// One name for each: no _v2 yet; _v2; _v3; _v3 with longer entries; without _v3 for once; mended.
INSTANTIATE_TEST_SUITE_P(Drivers, NvmlProcesses,
                         ::testing::Values("418.226.00", "450.57", "450.66", "470.82.01", "510.39.01", "535.54.03",
                                           "535.98", "535.104.05", "550.54.15"));

TEST_P(NvmlProcesses, AreListedInTheFormThatTheDriverHas) {
  Old old{GetParam(), process(7, 100) + process(8, 200) + process(9, 300) + process(10, 400, "graphics = true\n") +
                          process(11, 500, "mps_client = true\n")};
  EXPECT_THAT(old.list(Processes::Kind::compute), ElementsAre(Pair(7, 100), Pair(8, 200), Pair(9, 300), Pair(11, 500)));
  EXPECT_THAT(old.list(Processes::Kind::graphics), ElementsAre(Pair(10, 400)));
  EXPECT_THAT(old.list(Processes::Kind::mps), ElementsAre(Pair(11, 500)));
}

TEST_P(NvmlProcesses, HaveRoomHoweverManyThereAre) {
  std::string many;
  for (int pid = 1; pid <= 40; ++pid) many += process(pid, 10 * pid);
  Old old{GetParam(), many};
  const auto found = old.list(Processes::Kind::compute);
  ASSERT_EQ(found.size(), 40u);
  for (std::uint32_t i = 0; i < 40; ++i) EXPECT_THAT(found[i], Pair(i + 1, 10 * (i + 1)));
  EXPECT_THAT(old.list(Processes::Kind::mps), IsEmpty());
}

TEST(NvmlLibrary, HasWhatItsDriverHas) {
  Old volta{"418.226.00", ""};
  EXPECT_FALSE(volta.call().compute_processes || volta.call().memory || volta.call().gpm_sample ||
               volta.call().mig_mode);
  EXPECT_TRUE(volta.call().old_compute_processes && volta.call().old_memory && volta.call().clock_reasons);
  Old hopper{"550.54.15", ""};
  EXPECT_TRUE(hopper.call().compute_processes && hopper.call().memory && hopper.call().gpm_sample);
}

}  // namespace
}  // namespace everywatt::nvml
