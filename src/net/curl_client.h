// HTTP over libcurl: each request is sent once, no redirects are followed (a
// request may carry a password), proxies are those that the environment names.
#pragma once
#include <memory>
#include <string>

#include "net/http.h"

namespace everywatt {

struct CurlSettings {
  Nanoseconds patience = 20 * kSecond;  // for one answer
  bool verify_server = true;            // its certificate
  std::string authorities = {};         // file of certificates to trust; empty: the system's
};

Result<std::unique_ptr<HttpClient>> open_curl_client(const CurlSettings& settings);

}  // namespace everywatt
