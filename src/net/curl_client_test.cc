#include "net/curl_client.h"

#include <gtest/gtest.h>

#include "tests/scripted_server.h"

namespace everywatt {
namespace {

std::string answer(const std::string& status, const std::string& body = "", const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::unique_ptr<HttpClient> client(Nanoseconds patience = 5 * kSecond) {
  auto opened = open_curl_client({.patience = patience});
  EXPECT_TRUE(opened);
  return opened ? *std::move(opened) : nullptr;
}

TEST(CurlClient, SendsWhatItIsGivenAndReturnsWhatIsAnswered) {
  ScriptedServer server{{answer("200 OK", "{}"), answer("404 Not Found", "none")}};
  const auto http = client();
  const auto first =
      http->send({.method = "POST", .url = server.url() + "/a", .headers = {"X-Key: v"}, .body = "{\"a\":1}"});
  ASSERT_TRUE(first) << first.error().what;
  EXPECT_EQ(first->status, 200);
  EXPECT_EQ(first->body, "{}");
  const auto second = http->send({.url = server.url() + "/b"});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->status, 404);
  const auto& requests = server.requests();
  EXPECT_TRUE(requests[0].starts_with("POST /a HTTP/1.1\r\n")) << requests[0];
  EXPECT_TRUE(requests[0].contains("X-Key: v\r\n"));
  EXPECT_TRUE(requests[0].ends_with("\r\n\r\n{\"a\":1}"));
  EXPECT_TRUE(requests[1].starts_with("GET /b HTTP/1.1\r\n")) << requests[1];
}

TEST(CurlClient, HearsHowLongTheServerAsksItToWait) {
  ScriptedServer server{{answer("503 Busy", "", "Retry-After: 7\r\n"), answer("503 Busy")}};
  const auto http = client();
  const auto asked = http->send({.url = server.url()});
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->retry_after, 7 * kSecond);
  const auto plain = http->send({.url = server.url()});
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->retry_after);
}

TEST(CurlClient, APasswordIsNotCarriedElsewhereByARedirect) {
  ScriptedServer server{{answer("302 Found", "", "Location: http://127.0.0.1:1/\r\n")}};
  const auto moved = client()->send({.url = server.url(), .headers = {"Authorization: Bearer secret"}});
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->status, 302);
}

TEST(CurlClient, WhatMaySucceedLaterIsIo) {
  std::string closed;
  {
    const ScriptedServer server{{}};
    closed = server.url();
  }
  const auto refused = client()->send({.url = closed});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::io);
  ScriptedServer hangs_up{{""}};
  const auto cut = client()->send({.method = "POST", .url = hangs_up.url(), .body = "x"});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::io);
}

TEST(CurlClient, NeverSendsTwiceWhatChangesSomething) {
  ScriptedServer server{
      {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "", answer("200 OK")}};
  const auto http = client();
  ASSERT_TRUE(http->send({.url = server.url() + "/look"}));
  const auto cut = http->send({.method = "POST", .url = server.url() + "/change", .body = "x"});
  ASSERT_FALSE(cut) << "the second answer was none, and the third is a second request's";
  EXPECT_EQ(cut.error().code, Errc::io);
}

TEST(CurlClient, DoesNotWaitForeverForAnAnswer) {
  ScriptedServer server{{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"}};
  const auto late = client(300 * kMillisecond)->send({.url = server.url()});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::io);
}

TEST(CurlClient, OnlyHttpIsSpoken) {
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/x", "no address at all"}) {
    const auto refused = client()->send({.url = url});
    ASSERT_FALSE(refused) << url;
    EXPECT_EQ(refused.error().code, Errc::misuse) << url << ": " << refused.error().what;
  }
}

}  // namespace
}  // namespace everywatt
