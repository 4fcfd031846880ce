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
#include "cli/config_file.h"
#include "meter/election.h"

namespace everywatt {

class Config {
 public:
  // Reads what there is. Errors are those of parse_settings(), and a named file that cannot be read.
  static Result<Config> load();
  // One file's text; `file` is its name, for messages.
  static Result<Config> parse(const std::string& text, const std::string& file);

  [[nodiscard]] std::optional<std::string> text(const std::string& key) const;
  [[nodiscard]] std::optional<double> number(const std::string& key) const;
  // site.boundary, as the election wants it.
  [[nodiscard]] Boundary boundary() const;
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

}  // namespace everywatt
