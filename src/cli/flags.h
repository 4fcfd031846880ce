// The flags of one command: what they are called, where they go, what --help
// says. Behind it stands CLI11, which only flags.cc sees.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/command.h"

namespace everywatt {

class Flags {
 public:
  // `usage` follows the command's name: "[--json] [RUN]".
  Flags(std::string_view command, std::string_view usage, std::string_view help);
  ~Flags();

  // Names hold what --help shows of the value: "--json FILE", "RUN".
  void flag(const std::string& name, bool& into, const std::string& help);
  void option(const std::string& name, std::string& into, const std::string& help);
  void option(const std::string& name, std::optional<std::string>& into, const std::string& help);
  void option(const std::string& name, std::vector<std::string>& into, const std::string& help);      // may be repeated
  void positional(const std::string& name, std::string& into, const std::string& help);               // required
  void positional(const std::string& name, std::vector<std::string>& into, const std::string& help);  // any number

  // False: --help was asked for and printed. Errc::misuse: one line on what is wrong and what is expected.
  Result<bool> parse(Context& context, Args args);

 private:
  [[nodiscard]] std::string help() const;
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

// "key=value" flags, each into a pair; misuse names the flag and the text.
Result<std::vector<std::pair<std::string, std::string>>> key_values(std::string_view flag,
                                                                    const std::vector<std::string>& texts);

}  // namespace everywatt
