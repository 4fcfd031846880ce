// Colour, only where a terminal shows it.
#pragma once
#include <string>
#include <string_view>

namespace everywatt {

enum class Paint { plain, terminal };

class Style {
 public:
  explicit Style(Paint paint) : paint_{paint} {}
  // Plain where the stream is no terminal, NO_COLOR is set or TERM is dumb (no-color.org).
  static Style for_stream(int fd);

  std::string strong(std::string_view text) const { return wrap("1", text); }
  std::string faint(std::string_view text) const { return wrap("2", text); }
  std::string good(std::string_view text) const { return wrap("32", text); }
  std::string warning(std::string_view text) const { return wrap("33", text); }

 private:
  std::string wrap(std::string_view code, std::string_view text) const {
    if (paint_ == Paint::plain) return std::string{text};
    return "\033[" + std::string{code} + "m" + std::string{text} + "\033[0m";
  }
  Paint paint_;
};

}  // namespace everywatt
