// The next number of a sequence from those before it. One of a few shapes is
// fitted to a whole chunk; its few integers stand in the chunk's head, and
// encoder and decoder walk the same predictions. Numbers are offsets from the
// least of the chunk, arithmetic is modulo 2^64, so that any sequence has
// residuals and only their size tells how well a shape fits.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/microjoules.h"
#include "store/bytes.h"

namespace everywatt {

// What a number is predicted to be. The numbers are the format's.
enum class Shape : std::uint8_t {
  level = 0,         // centre
  step = 1,          // the last one + centre
  step_of_step = 2,  // the last one + the last step + centre
  line = 3,          // offset + slope × index
  grid = 4,          // likewise; where one strays by half a slope or more, the line moves by whole slopes
  rate = 5,          // offset + rise × time since the first / length of the chunk
  step_rate = 6,     // the last one + centre + rise × time since the last / length of the chunk
};
inline constexpr int kShapes = 7;
// Binary places of a line's offset and slope, and of a rate's.
inline constexpr unsigned kLineBits = 16;
inline constexpr unsigned kRateBits = 8;

struct Fit {
  Shape shape = Shape::level;
  std::int64_t centre = 0;  // line, grid: offset in 1/65536; rate: in 1/256; else whole
  std::int64_t slope = 0;   // line, grid: in 1/65536 an index; rate, step_rate: rise in 1/256 over the chunk's length
};

void put_fit(std::string& out, const Fit& fit);  // without its shape
std::optional<Fit> read_fit(ByteReader& in, Shape shape);

// Fits every shape that suits. `times` are offsets from the first of the
// chunk; empty: `numbers` are these offsets themselves.
std::vector<Fit> fits_for(std::span<const std::uint64_t> numbers, std::span<const std::uint64_t> times);

class Predictor {
 public:
  // `length`: the chunk's last time less its first.
  Predictor(const Fit& fit, std::uint64_t length);

  // `time`: of the number that is predicted, since the first of the chunk.
  [[nodiscard]] std::uint64_t predict(std::uint64_t time) const;
  void learn(std::uint64_t number, std::uint64_t time);

 private:
  [[nodiscard]] std::uint64_t rise_over(std::uint64_t time, std::int64_t offset) const;

  Fit fit_;
  std::uint64_t last_ = 0;
  std::uint64_t last_step_ = 0;
  std::uint64_t last_time_ = 0;
  Wide line_ = 0;        // the line at the next index, in 1/65536
  Wide multiplier_ = 0;  // rise over length, times 2^shift_
  unsigned shift_ = 0;
};

// Every point of every fit passes here: in the header for speed.

// multiplier × time + offset, scaled back; modulo 2^128, for what a damaged head may ask.
inline std::uint64_t Predictor::rise_over(std::uint64_t time, std::int64_t offset) const {
  const auto scaled =
      static_cast<WideUnsigned>(multiplier_) * time + static_cast<WideUnsigned>(Wide{offset} * (Wide{1} << shift_));
  return static_cast<std::uint64_t>(static_cast<Wide>(scaled) >> (shift_ + kRateBits));
}

inline std::uint64_t Predictor::predict(std::uint64_t time) const {
  const auto centre = static_cast<std::uint64_t>(fit_.centre);
  switch (fit_.shape) {
    case Shape::level:
      return centre;
    case Shape::step:
      return last_ + centre;
    case Shape::step_of_step:
      return last_ + last_step_ + centre;
    case Shape::line:
    case Shape::grid:
      return static_cast<std::uint64_t>(line_ >> kLineBits);
    case Shape::rate:
      return rise_over(time, fit_.centre);
    case Shape::step_rate:
      return last_ + centre + rise_over(time - last_time_, 0);
  }
  return 0;
}

inline void Predictor::learn(std::uint64_t number, std::uint64_t time) {
  last_step_ = number - last_;
  last_ = number;
  last_time_ = time;
  if (fit_.shape != Shape::line && fit_.shape != Shape::grid) return;
  if (fit_.shape == Shape::grid && fit_.slope > 0) {
    const Wide strayed =
        Wide{static_cast<std::int64_t>(number - static_cast<std::uint64_t>(line_ >> kLineBits))} * 65536;
    if (2 * strayed >= fit_.slope || -2 * strayed >= fit_.slope) {
      const Wide half = fit_.slope / 2;
      line_ += (strayed + (strayed < 0 ? -half : half)) / fit_.slope * fit_.slope;
    }
  }
  line_ += fit_.slope;
}

}  // namespace everywatt
