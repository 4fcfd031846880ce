#include <gtest/gtest.h>

#include "net/encode.h"
#include "net/retry.h"

namespace everywatt {
namespace {

TEST(Encode, AddressesKeepWhatRfc3986LeavesAlone) {
  EXPECT_EQ(percent_encode("a-b._~ /é"), "a-b._~%20%2F%C3%A9");
  EXPECT_EQ(percent_encode("1/ab c", "/"), "1/ab%20c");
  EXPECT_EQ(percent_decode("p%40ss%2fw%zz%4"), "p@ss/w%zz%4");
}

TEST(Encode, Base64IsRfc4648s) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

TEST(ServerAddress, LosesItsPasswordBeforeAnybodySeesIt) {
  const auto address = parse_server_address("https://me:p%40ss@host.example:5000/mlflow//");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->url, "https://host.example:5000/mlflow");
  EXPECT_EQ(address->user, "me");
  EXPECT_EQ(address->password, "p@ss");
}

TEST(ServerAddress, OtherSchemesAreMisuse) {
  for (const char* text : {"", "mlruns", "file:///tmp/mlruns", "databricks", "http://", "http:///path"})
    EXPECT_FALSE(parse_server_address(text)) << text;
}

TEST(Retry, PassingStatusesAreThoseThatMlflowsClientRetries) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504}) EXPECT_TRUE(is_passing(status)) << status;
  for (const int status : {200, 301, 400, 401, 403, 404, 409, 501}) EXPECT_FALSE(is_passing(status)) << status;
}

TEST(Backoff, DoublesWithinItsBoundsAndBeginsAgainAfterSuccess) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Backoff backoff{seed, {.first = kSecond, .longest = 8 * kSecond}};
    for (const Nanoseconds whole : {1, 2, 4, 8, 8, 8}) {
      const Nanoseconds wait = backoff.failed();
      EXPECT_GE(wait, whole * kSecond / 2);
      EXPECT_LE(wait, whole * kSecond);
    }
    backoff.succeeded();
    EXPECT_LE(backoff.failed(), kSecond);
  }
}

TEST(Backoff, WaitsAsLongAsTheServerAsksWithinReason) {
  Backoff backoff{1};
  EXPECT_EQ(backoff.failed(60 * kSecond), 60 * kSecond);
  EXPECT_EQ(backoff.failed(86'400 * kSecond), 300 * kSecond);
}

TEST(Backoff, TwoClientsDoNotComeBackTogether) {
  Backoff one{1}, other{2};
  EXPECT_NE(one.failed(), other.failed());
}

}  // namespace
}  // namespace everywatt
