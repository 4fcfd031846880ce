// An arithmetic coder for single binary decisions whose odds are learnt as
// they come: a decision costs as many bits as it is surprising. Ours follows
// the well-known byte-wise range coder with carry (G. N. N. Martin, 1979, as
// in LZMA's specification), with odds of 16 bits that begin as Krichevsky and
// Trofimov's estimate and so settle fast.
//
// Encoder and decoder have the same three operations, so that a model is
// written once for both directions: bit(odds, value) and bits(count, value)
// return the value that was coded; a decoder ignores the one it is given.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace everywatt {

// The odds of one kind of decision.
class Odds {
 public:
  // Chance of a zero, out of 2^16; never certain.
  [[nodiscard]] std::uint32_t zero() const { return std::clamp(chance_ >> 16, kLeast, kCertain - kLeast); }
  void learn(bool one) {
    const auto target = one ? std::int64_t{0} : std::int64_t{UINT32_MAX};
    chance_ = static_cast<std::uint32_t>(chance_ + (((target - chance_) * kRates[seen_]) >> 16));
    if (seen_ + 1u < kRates.size()) ++seen_;
  }
  static constexpr std::uint32_t kCertain = 1u << 16;

 private:
  static constexpr std::uint32_t kLeast = 24;
  // After n decisions the next one moves the estimate by 1 / (n + 2), Krichevsky and Trofimov's step, and never less
  // than by 1 / 1025: what drifts is followed.
  static constexpr std::array<std::uint16_t, 1024> kRates = [] {
    std::array<std::uint16_t, 1024> rates{};
    for (std::size_t n = 0; n < rates.size(); ++n) rates[n] = static_cast<std::uint16_t>(65536 / (n + 2));
    return rates;
  }();
  std::uint32_t chance_ = 1u << 31;
  std::uint16_t seen_ = 0;
};

// A decoder reads so many bytes ahead; of these, zeros need not be there.
inline constexpr int kSpared = 4;

class RangeEncoder {
 public:
  explicit RangeEncoder(std::string& out) : out_{out} {}

  bool bit(Odds& odds, bool one) {
    const std::uint32_t bound = (range_ >> 16) * odds.zero();
    if (one) {
      low_ += bound;
      range_ -= bound;
    } else {
      range_ = bound;
    }
    odds.learn(one);
    while (range_ < kLeastRange) shift();
    return one;
  }

  // At most 12 bits, each value as likely as any other.
  std::uint32_t bits(unsigned count, std::uint32_t value) {
    range_ >>= count;
    low_ += std::uint64_t{range_} * value;
    while (range_ < kLeastRange) shift();
    return value;
  }

  // The fewest bytes that a decoder, which reads zeros past the end, takes for what was coded.
  void finish() {
    const std::uint64_t past = low_ + range_;
    for (unsigned zeros = 32; zeros > 0; --zeros) {
      const std::uint64_t unit = std::uint64_t{1} << zeros;
      const std::uint64_t rounded = (low_ + unit - 1) & ~(unit - 1);
      if (rounded < past) {
        low_ = rounded;
        break;
      }
    }
    for (int i = 0; i < 5; ++i) shift();
    for (int i = 0; i < kSpared && out_.back() == 0; ++i) out_.pop_back();
  }

 private:
  static constexpr std::uint32_t kLeastRange = 1u << 24;

  // Moves the top byte of `low_` out. It waits while a carry may still change
  // it: itself and the 0xff bytes after it.
  void shift() {
    if (low_ < 0xff000000u || low_ > UINT32_MAX) {
      const auto carry = static_cast<std::uint8_t>(low_ >> 32);
      if (has_first_) out_ += static_cast<char>(first_ + carry);
      for (; pending_ > 0; --pending_) out_ += static_cast<char>(0xff + carry);
      first_ = static_cast<std::uint8_t>(low_ >> 24);
      has_first_ = true;
    } else {
      ++pending_;
    }
    low_ = (low_ & 0x00ffffffu) << 8;
    range_ <<= 8;
  }

  std::string& out_;
  std::uint64_t low_ = 0;
  std::uint32_t range_ = UINT32_MAX;
  std::uint8_t first_ = 0;
  bool has_first_ = false;
  std::uint64_t pending_ = 0;
};

class RangeDecoder {
 public:
  explicit RangeDecoder(std::string_view in) : in_{in} {
    for (int i = 0; i < kSpared; ++i) code_ = code_ << 8 | next();
  }

  bool bit(Odds& odds, bool) {
    const std::uint32_t bound = (range_ >> 16) * odds.zero();
    const bool one = code_ >= bound;
    if (one) {
      code_ -= bound;
      range_ -= bound;
    } else {
      range_ = bound;
    }
    odds.learn(one);
    fill();
    return one;
  }

  std::uint32_t bits(unsigned count, std::uint32_t) {
    range_ >>= count;
    const std::uint32_t value = std::min(code_ / range_, (1u << count) - 1);
    code_ -= range_ * value;
    fill();
    return value;
  }

  // Whether the bytes end where the encoder ended them.
  [[nodiscard]] bool is_at_end() const {
    if (in_.size() > at_ || is_starved()) return false;
    return in_.size() + kSpared == at_ || (!in_.empty() && in_.back() != 0);
  }
  // Whether more was read than an encoder spares.
  [[nodiscard]] bool is_starved() const { return at_ > in_.size() + kSpared; }

 private:
  void fill() {
    while (range_ < (1u << 24)) {
      range_ <<= 8;
      code_ = code_ << 8 | next();
    }
  }
  std::uint8_t next() {
    const std::size_t at = at_++;
    return at < in_.size() ? static_cast<std::uint8_t>(in_[at]) : std::uint8_t{0};
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::uint32_t range_ = UINT32_MAX;
  std::uint32_t code_ = 0;
};

}  // namespace everywatt
