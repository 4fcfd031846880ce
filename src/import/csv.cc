#include "import/csv.h"

#include "base/text.h"

namespace everywatt {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

class CsvReader {
 public:
  CsvReader(std::string_view text, char separator) : text_{text}, separator_{separator} {}

  Result<std::vector<CsvRow>> read() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        skip_line();
        continue;
      }
      TRY(CsvRow row, read_row());
      if (row.fields.size() > 1 || !row.fields[0].empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool is_at(char c) const { return at_ < text_.size() && text_[at_] == c; }

  void skip_line() {
    at_ = std::min(text_.find('\n', at_), text_.size() - 1) + 1;
    ++line_;
  }

  Result<CsvRow> read_row() {
    CsvRow row{.line = line_};
    for (;;) {
      while (at_ < text_.size() && text_[at_] != separator_ && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
      if (is_at('"')) {
        TRY(std::string field, read_quoted());
        if (!trim(read_plain()).empty()) row.is_sound = false;
        row.fields.push_back(std::move(field));
      } else {
        row.fields.emplace_back(trim(read_plain()));
      }
      if (!is_at(separator_)) break;
      ++at_;
    }
    if (is_at('\n')) {
      ++at_;
      ++line_;
    }
    return row;
  }

  // Up to the separator or the end of the line.
  std::string_view read_plain() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n') ++at_;
    return text_.substr(begin, at_ - begin);
  }

  Result<std::string> read_quoted() {
    const std::size_t opened = line_;
    std::string field;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        if (!is_at('"')) return field;
      }
      if (text_[at_] == '\n') ++line_;
      field += text_[at_];
    }
    return fail(Errc::malformed, std::to_string(opened) + ": a quote is opened here and never closed");
  }

  std::string_view text_;
  char separator_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

}  // namespace

Result<std::vector<CsvRow>> parse_csv(std::string_view text, char separator) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return CsvReader{text, separator}.read();
}

}  // namespace everywatt
