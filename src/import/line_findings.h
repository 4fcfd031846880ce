// The lines of a record that should have been readings and are not. Each one
// is counted and named; a notice about them stays one line, however many.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace everywatt {

class LineFindings {
 public:
  // Lines are numbered from 1 and come in ascending order.
  void add(std::size_t line, const std::string& reason);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t count() const { return count_; }
  // "3 lines: 5 (no valid JSON), 7-8 (the value is negative)"
  [[nodiscard]] std::string text() const;

 private:
  struct Range {
    std::size_t first;
    std::size_t last;
  };
  std::map<std::string, std::vector<Range>> ranges_;  // by reason
  std::size_t count_ = 0;
};

}  // namespace everywatt
