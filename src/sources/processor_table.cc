#include "sources/processor_table.h"

#include <algorithm>
#include <array>

#include "base/text.h"

extern "C" const char processors_csv[];
extern "C" const char processors_csv_end[];

namespace everywatt {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Words that every product of a family has, or that say what the number says already.
constexpr std::string_view kNoise[] = {"intel", "amd", "cpu", "processor", "apu", "gen", "genuine"};

// "64-core", "16-cores", "11th".
bool is_count_word(std::string_view word) {
  const auto end_of_digits = std::ranges::find_if_not(word, is_digit) - word.begin();
  if (end_of_digits == 0) return false;
  const std::string_view rest = word.substr(static_cast<std::size_t>(end_of_digits));
  return rest.starts_with("-core") || rest == "th" || rest == "st" || rest == "nd" || rest == "rd";
}

// What follows is the clock, or the graphics on the same die.
bool ends_the_name(std::string_view word) { return word.starts_with('@') || word == "with" || word == "w/"; }

std::string lower_without_marks(std::string_view text) {
  std::string plain;
  for (const char c : text) plain += lower(c);
  for (const std::string_view mark : {"(r)", "(tm)", "(c)"}) {
    for (auto at = plain.find(mark); at != plain.npos; at = plain.find(mark)) plain.replace(at, mark.size(), " ");
  }
  return plain;
}

bool equal_but_for_case(std::string_view printed, std::string_view lowered) {
  return std::ranges::equal(printed, lowered, {}, lower);
}

// "Xeon Gold 6148,150,codecarbon,2025"
std::optional<RatedProcessor> parse_row(std::string_view line) {
  const auto fields = split(line, ',');
  if (fields.size() != 4) return std::nullopt;
  const auto watts = parse_double(fields[1]);
  if (!watts || *watts <= 0) return std::nullopt;
  return RatedProcessor{fields[0], *watts * watt, fields[2], fields[3]};
}

}  // namespace

std::string product_name(std::string_view model_name) {
  const std::string plain = lower_without_marks(model_name);
  std::string name;
  std::string_view last;
  for (const std::string_view word : words(plain)) {
    if (ends_the_name(word)) break;
    if (std::ranges::find(kNoise, word) != std::end(kNoise) || is_count_word(word)) continue;
    if (!name.empty()) name += ' ';
    name += word;
    last = word;
  }
  // Sandy Bridge-EP called its first version "0": "Xeon(R) CPU E5-2670 0".
  if (last == "0") name.resize(name.size() > 2 ? name.size() - 2 : 0);
  return name;
}

std::optional<RatedProcessor> find_processor(std::string_view model_name) {
  const std::string wanted = product_name(model_name);
  if (wanted.empty()) return std::nullopt;
  std::string_view table{processors_csv, static_cast<std::size_t>(processors_csv_end - processors_csv)};
  while (!table.empty()) {
    const std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(table.size(), line.size() + 1));
    if (equal_but_for_case(line.substr(0, line.find(',')), wanted)) return parse_row(line);
  }
  return std::nullopt;
}

}  // namespace everywatt
