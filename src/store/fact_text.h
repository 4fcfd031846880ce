// Lists and maps of facts as one text column, in JSON so that any SQLite shell
// can read them (json_each). Written and read here only, so that reading is a
// single pass without a document tree: `ls` reads ten thousand of them.
// Strings are kept byte for byte, also where they are no UTF-8 (then no other
// program will call the column JSON). Numbers are the shortest decimal that
// reads back the same; what JSON has no number for is the string "inf",
// "-inf" or "nan".
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/run.h"

namespace everywatt {

using TextMap = std::map<std::string, std::string>;
using NumberMap = std::map<std::string, double>;
using TextList = std::vector<std::string>;

std::string fact_text(const TextMap& facts);
std::string fact_text(const NumberMap& facts);
std::string fact_text(const TextList& facts);
std::string fact_text(const std::vector<unsigned>& numbers);
std::string fact_text(const std::vector<NetworkBytes>& network);

// Errc::malformed: not what fact_text() wrote.
Result<void> read_fact_text(std::string_view text, TextMap& facts);
Result<void> read_fact_text(std::string_view text, NumberMap& facts);
Result<void> read_fact_text(std::string_view text, TextList& facts);
Result<void> read_fact_text(std::string_view text, std::vector<unsigned>& numbers);
Result<void> read_fact_text(std::string_view text, std::vector<NetworkBytes>& network);

}  // namespace everywatt
