#include "report/paragraph.h"

#include <algorithm>

#include "report/format.h"

namespace everywatt {

std::string paragraph(std::size_t indent, std::string_view label, std::string_view text) {
  const std::string margin(indent, ' ');
  std::string out = label.empty() ? std::string{} : "  " + std::string{label};
  if (!label.empty() && columns(out) + 1 > indent) {
    out += "\n" + margin;
  } else {
    out = pad_right(out, indent);
  }
  std::size_t column = indent;
  bool begins_line = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const std::size_t width = columns(word) + (begins_line ? 0 : 1);
    if (!begins_line && column + width > kPageWidth) {
      out += "\n" + margin + std::string{word};
      column = indent + columns(word);
    } else {
      out += (begins_line ? "" : " ") + std::string{word};
      column += width;
    }
    begins_line = false;
    at = end + 1;
  }
  return out + "\n";
}

}  // namespace everywatt
