// What is left of a value after prediction, as binary decisions: its size in
// octaves (how many bits its magnitude has), its sign, the bits below the
// leading one; of these the first two are learnt, the others cost what they
// are. Sharp where values are small, robust where one is huge.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "store/range_coder.h"

namespace everywatt {

class ResidualModel {
 public:
  // `largest`: the most bits that the magnitude of any residual has.
  explicit ResidualModel(unsigned largest) : depth_{static_cast<unsigned>(std::bit_width(largest))} {}

  static unsigned octave_of(std::int64_t residual) {
    return static_cast<unsigned>(std::bit_width(magnitude_of(residual)));
  }

  // Codes one residual; returns it. A decoder may return nonsense on damaged
  // bytes, never more than 64 bits of it.
  template <class Coder>
  std::int64_t code(Coder& coder, std::int64_t residual) {
    const std::uint64_t given = magnitude_of(residual);
    const unsigned octave = code_octave(coder, static_cast<unsigned>(std::bit_width(given)));
    if (octave == 0) return 0;
    const bool negative = coder.bit(signs_[octave], residual < 0);
    std::uint64_t magnitude = 1;
    unsigned left = octave - 1;
    for (unsigned node = 1; left > 0 && node < 4;) {
      --left;
      const bool one = coder.bit(leading_[octave][node], (given >> left & 1) != 0);
      magnitude = magnitude << 1 | std::uint64_t{one};
      node = node << 1 | unsigned{one};
    }
    while (left > 0) {
      const unsigned part = std::min(left, 12u);
      left -= part;
      const auto value = static_cast<std::uint32_t>(given >> left & ((1u << part) - 1));
      magnitude = magnitude << part | coder.bits(part, value);
    }
    return static_cast<std::int64_t>(negative ? ~magnitude + 1 : magnitude);
  }

 private:
  static std::uint64_t magnitude_of(std::int64_t residual) {
    const auto bits = static_cast<std::uint64_t>(residual);
    return residual < 0 ? ~bits + 1 : bits;
  }

  template <class Coder>
  unsigned code_octave(Coder& coder, unsigned octave) {
    unsigned node = 1;
    for (unsigned level = depth_; level > 0; --level) {
      node = node << 1 | unsigned{coder.bit(octaves_[node], (octave >> (level - 1) & 1) != 0)};
    }
    return std::min(node - (1u << depth_), 64u);
  }

  unsigned depth_;
  std::array<Odds, 128> octaves_;
  std::array<Odds, 65> signs_;
  std::array<std::array<Odds, 4>, 65> leading_;
};

}  // namespace everywatt
