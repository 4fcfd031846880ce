#include "import/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "import/header_words.h"
#include "import/time_column.h"
#include "import/timestamp.h"

namespace everywatt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Nanoseconds kEvening = 1'715'902'913 * kSecond;  // 2024-05-16T23:41:53Z

TEST(Csv, ReadsQuotesLineBreaksAndEitherLineEnding) {
  const auto rows = parse_csv(
      "\xEF\xBB\xBF"
      "a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\n\n# remark\n 1 , 2",
      ',');
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3u);
  EXPECT_THAT((*rows)[0].fields, ElementsAre("a", "b"));
  EXPECT_THAT((*rows)[1].fields, ElementsAre("x, \"y\"", "two\nlines"));
  EXPECT_THAT((*rows)[2].fields, ElementsAre("1", "2"));
  EXPECT_EQ((*rows)[1].line, 2u);
  EXPECT_EQ((*rows)[2].line, 6u);
}

TEST(Csv, KeepsEmptyFields) {
  EXPECT_THAT(parse_csv("a,,\n", ',')->at(0).fields, ElementsAre("a", "", ""));
  EXPECT_THAT(parse_csv("a\t\t1\n", '\t')->at(0).fields, ElementsAre("a", "", "1"));
}

TEST(Csv, AQuoteThatIsNeverClosedIsNamedByItsLine) {
  EXPECT_THAT(parse_csv("a,b\n1,\"2\n3,4\n", ',').error().what,
              HasSubstr("2: a quote is opened here and never closed"));
}

TEST(Csv, TextBehindAClosingQuoteIsUnsound) { EXPECT_FALSE(parse_csv("\"1\"2,3\n", ',')->at(0).is_sound); }

TEST(Timestamp, ReadsIsoWithAndWithoutZone) {
  EXPECT_EQ(parse_iso_time("2024-05-16T23:41:53Z")->wall, kEvening);
  EXPECT_EQ(parse_iso_time("2024-05-16 23:41:53.845 UTC")->wall, kEvening + 845 * kMillisecond);
  EXPECT_EQ(parse_iso_time("2024-05-17T01:41:53+02:00")->wall, kEvening);
  EXPECT_EQ(parse_iso_time("2024-05-16T18:11:53-0530")->wall, kEvening);
  EXPECT_TRUE(parse_iso_time("2024-05-16T23:41:53Z")->has_zone);
  EXPECT_EQ(parse_iso_time("2024/05/16 23:41:53,5")->wall, kEvening + 500 * kMillisecond);
  EXPECT_FALSE(parse_iso_time("2024/05/16 23:41:53,5")->has_zone);
}

TEST(Timestamp, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2024-05-16", "2024-02-30T00:00:00Z", "2024-05-16T24:00:00Z", "16.05.2024 23:41",
                           "05/16/2024 23:41", "2024-05-16T23:41:53Zx", "2024-05-16T23:41:53.Z", "1969-12-31T23:59:59Z",
                           "1970-01-01T00:00:00+02:00", "2024-05-16T23:41:53+2", "2024-05-16T23:41:53 CET"})
    EXPECT_FALSE(parse_iso_time(text)) << text;
}

TEST(Timestamp, CountsAreExactToTheNanosecond) {
  EXPECT_EQ(parse_time_count("1715874513.845000001", TimeUnit::seconds), 1'715'874'513'845'000'001);
  EXPECT_EQ(parse_time_count("1715874513845.5", TimeUnit::milliseconds), 1'715'874'513'845'500'000);
  EXPECT_EQ(parse_time_count("1e3", TimeUnit::seconds), 1000 * kSecond);
  for (const char* text : {"", "-1", "1..5", "1.5x", "9223372037", "99999999999999999999", "nan", "1e300"})
    EXPECT_FALSE(parse_time_count(text, TimeUnit::seconds)) << text;
}

TEST(TimeColumn, TellsItsUnitFromTheFirstValue) {
  EXPECT_TRUE(find_time_form("time", "2024-05-16T23:41:53Z", {})->is_iso);
  EXPECT_EQ(find_time_form("time", "1715874513.8", {})->unit, TimeUnit::seconds);
  EXPECT_EQ(find_time_form("time", "1715874513845", {})->unit, TimeUnit::milliseconds);
  EXPECT_EQ(find_time_form("time", "1715874513845000", {})->unit, TimeUnit::microseconds);
  EXPECT_EQ(find_time_form("time", "1715874513845000000", {})->unit, TimeUnit::nanoseconds);
  EXPECT_FALSE(find_time_form("time", "1715874513845000000", {})->is_from_start);
  EXPECT_TRUE(find_time_form("elapsed", "0.0", {})->is_from_start);
  EXPECT_EQ(find_time_form("time_ms", "100", {})->unit, TimeUnit::milliseconds);
  EXPECT_TRUE(find_time_form("time_ms", "100", {})->is_from_start);
}

TEST(TimeColumn, WhatFitsNoUnitIsRefusedWithTheOption) {
  EXPECT_THAT(find_time_form("time", "500000000", {}).error().what, HasSubstr("--time-unit"));
  EXPECT_THAT(find_time_form("time", "1715874513845", TimeUnit::seconds).error().what, HasSubstr("--time-unit"));
  EXPECT_THAT(find_time_form("time", "16.05.2024 23:41", {}).error().what, HasSubstr("--time-column"));
}

TEST(HeaderWords, NamesUnitsWhereverTheyStand) {
  EXPECT_EQ(unit_of_header("power.draw [W]")->factor, 1);
  EXPECT_EQ(unit_of_header("node_power_kw_avg")->factor, 1e3);
  EXPECT_EQ(unit_of_header("power_mw")->factor, 1e-3);
  EXPECT_EQ(unit_of_header("Power (MW)")->factor, 1e6);
  EXPECT_EQ(unit_of_header("Energy_kWh")->quantity, PowerUnit::Quantity::energy);
  EXPECT_FALSE(unit_of_header("POWER_MW"));
  EXPECT_FALSE(unit_of_header("power"));
  EXPECT_FALSE(unit_of_header("temperature.gpu"));
}

TEST(HeaderWords, TellsWhatAColumnIsAbout) {
  EXPECT_EQ(thing_of_header("gpu0_power_w"), "gpu0");
  EXPECT_EQ(thing_of_header("Total Power [W]"), "");
  EXPECT_TRUE(is_draw_header("power.draw [W]"));
  EXPECT_FALSE(is_draw_header("power.limit [W]"));
  EXPECT_TRUE(is_time_header("Time (s)"));
  EXPECT_TRUE(is_device_header("GPU UUID"));
  EXPECT_FALSE(is_device_header("utilization.gpu [%]"));
}

}  // namespace
}  // namespace everywatt
