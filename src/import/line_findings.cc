#include "import/line_findings.h"

namespace everywatt {

void LineFindings::add(std::size_t line, const std::string& reason) {
  std::vector<Range>& ranges = ranges_[reason];
  if (!ranges.empty() && ranges.back().last + 1 == line)
    ranges.back().last = line;
  else
    ranges.push_back({line, line});
  ++count_;
}

std::string LineFindings::text() const {
  std::string text = std::to_string(count_) + (count_ == 1 ? " line: " : " lines: ");
  const char* between = "";
  for (const auto& [reason, ranges] : ranges_) {
    for (const Range& range : ranges) {
      text += between + std::to_string(range.first);
      if (range.last != range.first) text += "-" + std::to_string(range.last);
      between = ", ";
    }
    text += " (" + reason + ")";
  }
  return text;
}

}  // namespace everywatt
