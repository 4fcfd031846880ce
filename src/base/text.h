// Small operations on text that the standard library lacks. Everything that
// parses is strict: the whole text is the value, or it is no value.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace everywatt {

std::string_view trim(std::string_view text);
std::string_view trim_end(std::string_view text);

std::optional<std::uint64_t> parse_u64(std::string_view text);
std::optional<std::int64_t> parse_i64(std::string_view text);
std::optional<double> parse_double(std::string_view text);  // finite only

// A count as a person writes it: 1e12, 15T, 4096, 1.5k. Suffixes k M G T P are powers of 1000.
std::optional<double> parse_count(std::string_view text);

std::vector<std::string_view> split(std::string_view text, char separator);
// Fields separated by any run of blanks.
std::vector<std::string_view> words(std::string_view text);

// A kernel list of numbers: "0-3,8,10-11". Empty text is the empty list.
std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text);
// The same, of numbers that ascend.
std::string format_cpu_list(const std::vector<unsigned>& cpus);

}  // namespace everywatt
