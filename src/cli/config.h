// Settings: flags before environment before the project's everywatt.toml
// (nearest upward from the working directory) before the user's
// ($XDG_CONFIG_HOME/everywatt/) before the machine's (/etc/everywatt/).
// EVERYWATT_CONFIG names one file in place of all three.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "account/facility.h"
#include "base/result.h"

namespace everywatt {

struct Setting {
  std::string key;    // site.pue
  std::string value;  // as TOML writes it
  std::string file;   // where it stands
};

class Config {
 public:
  // Reads what there is. Errc::misuse: a file that is no TOML, a key that is not
  // known or a value of the wrong kind: "FILE:LINE: …, expected …".
  static Result<Config> load();
  // One file's text; `file` is its name, for messages.
  static Result<Config> parse(const std::string& text, const std::string& file);

  [[nodiscard]] std::optional<std::string> text(const std::string& key) const;
  [[nodiscard]] std::optional<double> number(const std::string& key) const;
  // [site], as the accounts want it.
  [[nodiscard]] Site site() const;
  // In the order of the keys; of settings that several files make, the one that holds.
  [[nodiscard]] const std::vector<Setting>& settings() const { return settings_; }
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }

 private:
  void lay_under(Config lower);
  std::vector<Setting> settings_;
  std::vector<std::string> files_;  // that were read, the strongest first
};

// What may be set, for `everywatt config --keys`.
struct KnownKey {
  std::string key;   // a trailing .* stands for any key below
  std::string kind;  // text, number, ratio, fraction, boundary, any
  std::string help;
};
const std::vector<KnownKey>& known_keys();

}  // namespace everywatt
