// One everywatt.toml: its text becomes settings, each checked against what may
// be set. Which file comes before which is config.h's.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace everywatt {

struct Setting {
  std::string key;    // site.pue
  std::string value;  // as TOML writes it
  std::string file;   // where it stands
};

// `file` is the name of it, for messages. Errc::misuse: a text that is no TOML,
// a key that is not known or a value of the wrong kind: "FILE:LINE: …, expected …".
Result<std::vector<Setting>> parse_settings(const std::string& text, const std::string& file);

// What may be set, for `everywatt config --keys`.
struct KnownKey {
  std::string key;   // a trailing .* stands for any key below
  std::string kind;  // text, number, ratio, fraction, boundary, interval, switch, any
  std::string help;
};
const std::vector<KnownKey>& known_keys();

}  // namespace everywatt
