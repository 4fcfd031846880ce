#include "store/file_names.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace everywatt {
namespace {

// NAME_MAX is 255; room for a prefix and for what SQLite appends.
constexpr std::size_t kLongest = 200;

std::string hex(std::uint64_t value, int digits) {
  std::string text(static_cast<std::size_t>(digits), '0');
  for (auto digit = text.rbegin(); digit != text.rend(); ++digit, value >>= 4) *digit = "0123456789abcdef"[value & 15];
  return text;
}

// FNV-1a, 64 bits (draft-eastlake-fnv): the same on every machine.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

std::string file_name_of(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = byte < 0x80 && (std::isalnum(byte) || c == '_' || c == '-' || (c == '.' && !name.empty()));
    name += plain ? std::string{c} : "%" + hex(byte, 2);
  }
  if (name.size() > kLongest) name = name.substr(0, kLongest) + "%" + hex(hash_of(text), 16);
  return name;
}

std::vector<std::filesystem::path> databases_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at{folder, error}, end; !error && at != end; at.increment(error)) {
    if (at->path().extension() == ".db") found.push_back(at->path());
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace everywatt
