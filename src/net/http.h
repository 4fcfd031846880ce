// What a server is asked and what it answers. The client is an interface
// because the network is the outside world: code above it is tested against an
// answering machine, the program uses libcurl (curl_client.h).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace everywatt {

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::string> headers = {};  // "Content-Type: application/json"
  std::string body = {};
};

struct HttpResponse {
  int status = 0;
  std::string body = {};
  std::optional<Nanoseconds> retry_after = {};  // that the server asks us to wait
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // An answer of any status is a response. None: Errc::io where the same may succeed later (nobody listens, time
  // is up), Errc::denied where the server's certificate is not trusted, Errc::misuse where the address is none.
  // The text names no header and no address: both may hold a secret.
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

}  // namespace everywatt
