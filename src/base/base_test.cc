#include <gtest/gtest.h>

#include <filesystem>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "base/text.h"
#include "base/units.h"
#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

TEST(Units, GramsPerKilowattHourTimesJoulesIsGrams) {
  const CarbonIntensity grid = 475.0 * (gram_co2e / kilowatt_hour);
  EXPECT_DOUBLE_EQ(emissions(2.0 * kilowatt_hour, grid) / gram_co2e, 950.0);
}

template <class A, class B>
concept Addable = requires(A a, B b) { a + b; };

TEST(Units, JoulesAndWattsDoNotMix) {
  static_assert(Addable<Energy, Energy>);
  static_assert(!Addable<Energy, Power>);
  static_assert(!std::is_convertible_v<double, Energy>);
  static_assert(!std::is_convertible_v<Energy, double>);
  EXPECT_DOUBLE_EQ((3.0 * watt * (2.0 * second)) / joule, 6.0);
}

TEST(Text, NumbersAreTheWholeTextOrNothing) {
  EXPECT_EQ(parse_u64("42"), 42u);
  EXPECT_EQ(parse_u64("42 "), std::nullopt);
  EXPECT_EQ(parse_u64(""), std::nullopt);
  EXPECT_EQ(parse_u64("-1"), std::nullopt);
  EXPECT_EQ(parse_u64("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parse_double("nan"), std::nullopt);
  EXPECT_EQ(parse_double("1e3"), 1000.0);
}

TEST(Text, CountsMayBeWrittenAsPeopleWriteThem) {
  EXPECT_EQ(parse_count("1e12"), 1e12);
  EXPECT_EQ(parse_count("15T"), 15e12);
  EXPECT_EQ(parse_count("1.5k"), 1500.0);
  EXPECT_EQ(parse_count("T"), std::nullopt);
  EXPECT_EQ(parse_count("15X"), std::nullopt);
}

TEST(Text, KernelListsUnfold) {
  EXPECT_EQ(parse_cpu_list("0-2,8\n"), (std::vector<unsigned>{0, 1, 2, 8}));
  EXPECT_EQ(parse_cpu_list(""), std::vector<unsigned>{});
  EXPECT_EQ(parse_cpu_list("3-1"), std::nullopt);
  EXPECT_EQ(parse_cpu_list("0-99999999"), std::nullopt);
}

TEST(Text, KernelListsFold) {
  for (const char* list : {"", "5", "0-2,8", "1,3,5-6", "0-1023"}) {
    EXPECT_EQ(format_cpu_list(*parse_cpu_list(list)), list);
  }
}

TEST(File, AMissingFileIsAbsentAndSaysWhatWasTried) {
  const auto text = read_text("/nonexistent/file");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::absent);
  EXPECT_NE(text.error().what.find("/nonexistent/file"), std::string::npos);
}

TEST(File, APolledFileSeesEachNewValue) {
  const testing::FixtureTree tree;
  tree.write("energy_uj", "100\n");
  const auto file = PolledFile::open(tree.root() / "energy_uj");
  ASSERT_TRUE(file);
  EXPECT_EQ(*file->read_u64(), 100u);
  tree.write("energy_uj", "250\n");
  EXPECT_EQ(*file->read_u64(), 250u);
  tree.write("energy_uj", "");
  EXPECT_EQ(file->read_u64().error().code, Errc::malformed);
}

TEST(Clock, IsoTimesAreUtcWithMilliseconds) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(iso_time(1'715'874'513'845 * kMillisecond), "2024-05-16T15:48:33.845Z");
  EXPECT_EQ(iso_time(-1), "1969-12-31T23:59:59.999Z");
}

TEST(Clock, TicksFallOnMultiplesOfThePeriod) {
  EXPECT_EQ(next_on_grid(1, 100), 100);
  EXPECT_EQ(next_on_grid(100, 100), 200);
  EXPECT_EQ(next_on_grid(350, 100), 400);
}

}  // namespace
}  // namespace everywatt
