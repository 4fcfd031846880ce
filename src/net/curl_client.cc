#include "net/curl_client.h"

#include <curl/curl.h>

#include <algorithm>

namespace everywatt {
namespace {

constexpr std::size_t kLargestAnswer = 64 << 20;
constexpr Nanoseconds kConnectPatience = 5 * kSecond;

std::size_t take(char* data, std::size_t size, std::size_t count, void* into) {
  auto& body = *static_cast<std::string*>(into);
  if (body.size() + size * count > kLargestAnswer) return 0;
  body.append(data, size * count);
  return size * count;
}

Errc code_of(CURLcode failure) {
  switch (failure) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return Errc::misuse;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return Errc::denied;
    default:
      return Errc::io;
  }
}

class HeaderList {
 public:
  explicit HeaderList(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) list_ = curl_slist_append(list_, line.c_str());
    list_ = curl_slist_append(list_, "Expect:");  // no question before a large body: it costs a second where unanswered
  }
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  ~HeaderList() { curl_slist_free_all(list_); }
  [[nodiscard]] curl_slist* list() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

class CurlClient final : public HttpClient {
 public:
  CurlClient(CURL* curl, CurlSettings settings) : curl_{curl}, settings_{std::move(settings)} {}
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;
  ~CurlClient() override { curl_easy_cleanup(curl_); }

  Result<HttpResponse> send(const HttpRequest& request) override {
    curl_easy_reset(curl_);  // keeps the connection
    HttpResponse response;
    const HeaderList headers{request.headers};
    curl_easy_setopt(curl_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers.list());
    if (request.method != "GET") {
      // On a connection that it kept and that breaks, libcurl sends a request again unasked, though the server may
      // have done what it says: what changes something gets a connection of its own.
      curl_easy_setopt(curl_, CURLOPT_FRESH_CONNECT, 1L);
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, request.body.data());
    }
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &response.body);
    apply_settings();
    if (const CURLcode done = curl_easy_perform(curl_); done != CURLE_OK)
      return fail(code_of(done), curl_easy_strerror(done));
    read_outcome(response);
    return response;
  }

 private:
  void apply_settings() {
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, static_cast<long>(settings_.patience / kMillisecond));
    const Nanoseconds connect = std::min(settings_.patience, kConnectPatience);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect / kMillisecond));
    if (!settings_.authorities.empty()) curl_easy_setopt(curl_, CURLOPT_CAINFO, settings_.authorities.c_str());
    if (settings_.verify_server) return;
    curl_easy_setopt(curl_, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl_, CURLOPT_SSL_VERIFYHOST, 0L);
  }

  void read_outcome(HttpResponse& response) {
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    response.status = static_cast<int>(status);
    // Seconds, also where the server wrote a date (RFC 9110, 10.2.3).
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(curl_, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
      response.retry_after = std::min<Nanoseconds>(seconds, 86'400) * kSecond;
  }

  CURL* curl_;
  CurlSettings settings_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> open_curl_client(const CurlSettings& settings) {
  // The first call of a process; both are idempotent after it.
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return fail(Errc::io, "libcurl could not be started");
  CURL* curl = curl_easy_init();
  if (curl == nullptr) return fail(Errc::io, "libcurl could not be started");
  return std::make_unique<CurlClient>(curl, settings);
}

}  // namespace everywatt
