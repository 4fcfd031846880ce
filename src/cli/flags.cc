#include "cli/flags.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "base/text.h"
#include "report/paragraph.h"

namespace everywatt {

struct Flags::Parser {
  struct Line {
    std::string left;  // "--json FILE"
    std::string help;
  };
  CLI::App app;
  std::string command;
  std::string usage;
  std::string text;
  std::vector<Line> lines;

  // The name that CLI11 knows; what follows a blank is for people.
  std::string listed(const std::string& name, const std::string& help) {
    lines.push_back({name, help});
    return name.substr(0, name.find(' '));
  }
};

Flags::Flags(std::string_view command, std::string_view usage, std::string_view help)
    : parser_{std::make_unique<Parser>()} {
  parser_->command = command;
  parser_->usage = usage;
  parser_->text = help;
}

Flags::~Flags() = default;

void Flags::flag(const std::string& name, bool& into, const std::string& help) {
  parser_->app.add_flag(parser_->listed(name, help), into);
}

void Flags::option(const std::string& name, std::string& into, const std::string& help) {
  parser_->app.add_option(parser_->listed(name, help), into);
}

void Flags::option(const std::string& name, std::optional<std::string>& into, const std::string& help) {
  parser_->app.add_option(parser_->listed(name, help), into);
}

void Flags::option(const std::string& name, std::vector<std::string>& into, const std::string& help) {
  parser_->app.add_option(parser_->listed(name, help), into)->allow_extra_args(false);
}

void Flags::positional(const std::string& name, std::string& into, const std::string& help) {
  parser_->app.add_option(parser_->listed(name, help), into)->required();
}

void Flags::positional(const std::string& name, std::vector<std::string>& into, const std::string& help) {
  parser_->app.add_option(parser_->listed(name, help), into);
}

std::string Flags::help() const {
  constexpr std::size_t kHelpColumn = 28;
  std::string out = "usage: everywatt " + parser_->command + " " + parser_->usage + "\n\n";
  out += paragraph(0, "", parser_->text);
  if (!parser_->lines.empty()) out += "\n";
  for (const auto& [left, text] : parser_->lines) out += paragraph(kHelpColumn, left, text);
  return out;
}

Result<bool> Flags::parse(Context& context, Args args) {
  std::vector<std::string> reversed{args.rbegin(), args.rend()};  // as CLI11 wants them
  try {
    parser_->app.parse(std::move(reversed));
    return true;
  } catch (const CLI::CallForHelp&) {
    context.out << help();
    return false;
  } catch (const CLI::ParseError& error) {
    return fail(Errc::misuse, std::string{error.what()} + " (everywatt " + parser_->command + " --help)");
  }
}

Result<std::vector<std::pair<std::string, std::string>>> key_values(std::string_view flag,
                                                                    const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == text.npos) {
      return fail(Errc::misuse, std::string{flag} + " expects key=value, not '" + text + "'");
    }
    pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return pairs;
}

}  // namespace everywatt
