// Prose on a terminal: a label, then words broken at blanks within 80 columns,
// every line indented alike.
#pragma once
#include <string>
#include <string_view>

namespace everywatt {

inline constexpr std::size_t kPageWidth = 80;

// `indent`: columns before the words; the label stands in them, after two blanks.
// A label that is too long takes a line of its own.
std::string paragraph(std::size_t indent, std::string_view label, std::string_view text);

}  // namespace everywatt
