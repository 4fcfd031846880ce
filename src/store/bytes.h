// Whole numbers as bytes, for the formats that this room defines: little-endian
// base 128, seven bits a byte, the high bit set on all but the last; signed
// ones folded to unsigned first (0, -1, 1, -2 …). Reading is strict: what runs
// past the end, does not fit, or is longer than need be is no number.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/microjoules.h"

namespace everywatt {

__extension__ typedef unsigned __int128 WideUnsigned;

constexpr std::uint64_t fold_sign(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unfold_sign(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

template <class Unsigned>
void put_varint(std::string& out, Unsigned value) {
  while (value >= 0x80) {
    out += static_cast<char>(static_cast<unsigned char>(value) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}
inline void put_signed(std::string& out, std::int64_t value) { put_varint(out, fold_sign(value)); }

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_{bytes} {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  std::optional<std::uint8_t> byte() {
    if (rest_.empty()) return std::nullopt;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  std::optional<std::string_view> bytes(std::uint64_t count) {
    if (count > rest_.size()) return std::nullopt;
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  template <class Unsigned = std::uint64_t>
  std::optional<Unsigned> varint() {
    Unsigned value = 0;
    for (unsigned shift = 0; shift < 8 * sizeof(Unsigned); shift += 7) {
      const auto next = byte();
      if (!next) return std::nullopt;
      const auto bits = static_cast<Unsigned>(*next & 0x7f);
      if (static_cast<Unsigned>(bits << shift) >> shift != bits) return std::nullopt;
      value |= static_cast<Unsigned>(bits << shift);
      if (*next < 0x80) return *next == 0 && shift > 0 ? std::nullopt : std::optional{value};
    }
    return std::nullopt;
  }
  std::optional<std::int64_t> signed_varint() {
    const auto folded = varint();
    return folded ? std::optional{unfold_sign(*folded)} : std::nullopt;
  }

 private:
  std::string_view rest_;
};

}  // namespace everywatt
