#include "tests/lab/symbols.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include "tests/fixture_tree.h"

namespace everywatt::lab {
namespace {

TEST(Symbols, WhatIsTakenAwayIsNotFoundAndTheRestWorks) {
  const testing::FixtureTree tree;
  const auto copy = tree.root() / "libnvidia-ml.so.1";
  ASSERT_TRUE(copy_without(
      EVERYWATT_NVML_STANDIN, [](std::string_view symbol) { return symbol == "nvmlDeviceGetFieldValues"; }, copy));
  void* handle = ::dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  EXPECT_EQ(::dlsym(handle, "nvmlDeviceGetFieldValues"), nullptr);
  EXPECT_NE(::dlsym(handle, "nvmlDeviceGetPowerUsage"), nullptr);
}

TEST(Symbols, EveryFunctionCanBeTakenAway) {
  const testing::FixtureTree tree;
  const auto copy = tree.root() / "libnvidia-ml.so.1";
  ASSERT_TRUE(
      copy_without(EVERYWATT_NVML_STANDIN, [](std::string_view symbol) { return symbol.starts_with("nvml"); }, copy));
  void* handle = ::dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  EXPECT_EQ(::dlsym(handle, "nvmlInit_v2"), nullptr);
}

TEST(Symbols, WhatIsNoLibraryIsRefused) {
  const testing::FixtureTree tree;
  tree.write("text", "no library");
  const auto copied = copy_without(tree.root() / "text", [](std::string_view) { return true; }, tree.root() / "copy");
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Errc::malformed);
}

}  // namespace
}  // namespace everywatt::lab
