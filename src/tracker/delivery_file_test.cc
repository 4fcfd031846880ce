#include "tracker/delivery_file.h"

#include <gtest/gtest.h>

#include <unistd.h>

namespace everywatt {
namespace {

class DeliveryFileTest : public testing::Test {
 protected:
  DeliveryFileTest()
      : folder_{std::filesystem::temp_directory_path() / ("everywatt-delivery-" + std::to_string(::getpid()))} {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~DeliveryFileTest() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::filesystem::path ledger() const { return folder_ / "everywatt.db"; }
  std::filesystem::path folder_;
};

Delivery half_done() {
  return {.run = "abc",
          .url = "http://127.0.0.1:5000",
          .remote_run = "0f",
          .made_here = true,
          .interval = 10 * kSecond,
          .points_until = 120 * kSecond,
          .bill = "delivered",
          .trouble = Delivery::Trouble{.time = "2026-11-24T03:02:01.123Z", .line = "no \"route\""}};
}

TEST_F(DeliveryFileTest, WhatIsWrittenIsRead) {
  const auto file = DeliveryFile::open(ledger(), "abc");
  ASSERT_TRUE(file && *file);
  EXPECT_FALSE((*file)->read()->has_value());
  ASSERT_TRUE((*file)->write(half_done()));
  const auto read = (*file)->read();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ(**read, half_done());
}

TEST_F(DeliveryFileTest, OneProcessAtATimeDelivers) {
  {
    const auto first = DeliveryFile::open(ledger(), "abc");
    ASSERT_TRUE(first && *first);
    const auto second = DeliveryFile::open(ledger(), "abc");
    ASSERT_TRUE(second);
    EXPECT_FALSE(*second);
    const auto other = DeliveryFile::open(ledger(), "def");
    EXPECT_TRUE(other && *other);
  }
  const auto later = DeliveryFile::open(ledger(), "abc");
  EXPECT_TRUE(later && *later);
}

TEST_F(DeliveryFileTest, WhatIsNotCompleteWaits) {
  for (const char* run : {"abc", "def", "ghi"}) {
    const auto file = DeliveryFile::open(ledger(), run);
    Delivery delivery = half_done();
    delivery.complete = run == std::string_view{"def"};
    ASSERT_TRUE((*file)->write(delivery));
  }
  EXPECT_EQ(undelivered_runs(ledger()), (std::vector<std::string>{"abc", "ghi"}));
  EXPECT_TRUE(undelivered_runs(folder_ / "elsewhere" / "everywatt.db").empty());
}

TEST_F(DeliveryFileTest, ADamagedFileIsNamedAndWaits) {
  const auto file = DeliveryFile::open(ledger(), "abc");
  ASSERT_TRUE(write_text((*file)->path(), "{\"schema\": \"everywatt.deliv"));
  const auto read = (*file)->read();
  ASSERT_FALSE(read);
  EXPECT_TRUE(read.error().what.contains((*file)->path().string())) << read.error().what;
  EXPECT_EQ(undelivered_runs(ledger()), std::vector<std::string>{"abc"});
}

TEST(Delivery, WhatIsNoneIsMalformed) {
  const std::string good = delivery_json(half_done());
  ASSERT_TRUE(parse_delivery(good));
  for (const auto& [what, by] : std::initializer_list<std::pair<std::string, std::string>>{
           {"delivery/1", "delivery/2"},
           {"\"abc\"", "7"},
           {"\"interval_seconds\": 10", "\"interval_seconds\": 0"},
           {"\"interval_seconds\": 10", "\"interval_seconds\": 1e300"},
           {"\"points_until_seconds\": 120", "\"points_until_seconds\": -1"},
           {"\"points_until_seconds\": 120", "\"points_until_seconds\": 18446744073709551615"}}) {
    std::string bad = good;
    ASSERT_NE(bad.find(what), bad.npos) << what;
    bad.replace(bad.find(what), what.size(), by);
    EXPECT_FALSE(parse_delivery(bad)) << bad;
  }
  EXPECT_FALSE(parse_delivery("[]"));
  EXPECT_FALSE(parse_delivery(""));
}

}  // namespace
}  // namespace everywatt
