// How texts are written into addresses and headers.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace everywatt {

// RFC 3986: all but letters, digits and -._~ becomes %XX. `kept` names further characters that stay ("/" in a path).
std::string percent_encode(std::string_view text, std::string_view kept = {});
// %XX back to bytes; what is no such triple stays as it is.
std::string percent_decode(std::string_view text);
// RFC 4648, section 4.
std::string base64(std::string_view bytes);

// An address without the user and password that may stand in it.
struct ServerAddress {
  std::string url;  // "https://host:5000/path", no slash at its end: may be shown
  std::string user = {};
  std::string password = {};
};
// Errc::misuse: neither http nor https, or no host.
Result<ServerAddress> parse_server_address(std::string_view text);

}  // namespace everywatt
