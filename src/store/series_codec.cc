#include "store/series_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "store/bytes.h"
#include "store/predictor.h"
#include "store/range_coder.h"
#include "store/residual_model.h"

namespace everywatt {
namespace {

// The first byte of a chunk: the format, so that a later one can be told from it.
constexpr std::uint8_t kFormat = 1;
// Flags beside the shape in a column's first byte.
constexpr std::uint8_t kScaled = 0x40;  // all numbers are multiples of one that follows
constexpr std::uint8_t kExact = 0x80;   // nothing is left after prediction
constexpr std::uint8_t kShapeBits = 0x0f;

using Numbers = std::vector<std::uint64_t>;

// One of the two columns of a chunk, times or values, as offsets from its least.
struct Column {
  Fit fit;
  std::uint64_t scale = 1;
  unsigned largest = 0;  // bits of the greatest residual's magnitude; 0: all are 0
};

// Calls `take` with each residual of the numbers under a fit.
template <class Take>
void for_each_residual(const Fit& fit, const Numbers& numbers, const Numbers& times, Take take) {
  Predictor predictor{fit, times.empty() ? numbers.back() : times.back()};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::uint64_t time = times.empty() ? 0 : times[i];
    take(static_cast<std::int64_t>(numbers[i] - predictor.predict(time)));
    predictor.learn(numbers[i], time);
  }
}

struct Cost {
  double bits = 0;
  unsigned largest = 0;
};

// What the residuals will cost, near enough to choose a shape by.
Cost cost_of(const Fit& fit, const Numbers& numbers, const Numbers& times) {
  std::array<std::uint32_t, 65> octaves{};
  for_each_residual(fit, numbers, times, [&](std::int64_t residual) { ++octaves[ResidualModel::octave_of(residual)]; });
  std::string head;
  put_fit(head, fit);
  Cost cost{.bits = 8.0 * static_cast<double>(head.size()), .largest = 0};
  for (unsigned octave = 0; octave <= 64; ++octave) {
    if (octaves[octave] == 0) continue;
    const double count = octaves[octave];
    cost.bits += count * (std::log2(static_cast<double>(numbers.size()) / count) + octave);
    cost.largest = octave;
  }
  return cost;
}

std::uint64_t common_divisor(const Numbers& numbers) {
  std::uint64_t divisor = 0;
  for (const std::uint64_t number : numbers) {
    divisor = std::gcd(divisor, number);
    if (divisor == 1) return 1;
  }
  return std::max<std::uint64_t>(divisor, 1);
}

Column column_for(Numbers& numbers, const Numbers& times) {
  Column best{.fit = {}, .scale = common_divisor(numbers)};
  if (best.scale > 1) {
    for (std::uint64_t& number : numbers) number /= best.scale;
  }
  double least = HUGE_VAL;
  for (const Fit& fit : fits_for(numbers, times)) {
    const Cost cost = cost_of(fit, numbers, times);
    if (cost.bits >= least) continue;
    least = cost.bits;
    best.fit = fit;
    best.largest = cost.largest;
  }
  return best;
}

void put_column(std::string& out, const Column& column) {
  auto first = static_cast<std::uint8_t>(column.fit.shape);
  if (column.scale > 1) first |= kScaled;
  if (column.largest == 0) first |= kExact;
  out += static_cast<char>(first);
  if (column.scale > 1) put_varint(out, column.scale);
  put_fit(out, column.fit);
  if (column.largest > 0) out += static_cast<char>(column.largest);
}

std::optional<Column> read_column(ByteReader& in) {
  const auto first = in.byte();
  if (!first || (*first & kShapeBits) >= kShapes || (*first & ~(kShapeBits | kScaled | kExact)) != 0)
    return std::nullopt;
  Column column;
  if (*first & kScaled) {
    const auto scale = in.varint();
    if (!scale || *scale < 2) return std::nullopt;
    column.scale = *scale;
  }
  const auto fit = read_fit(in, static_cast<Shape>(*first & kShapeBits));
  if (!fit) return std::nullopt;
  column.fit = *fit;
  if (*first & kExact) return column;
  const auto largest = in.byte();
  if (!largest || *largest == 0 || *largest > 64) return std::nullopt;
  column.largest = *largest;
  return column;
}

void put_head(std::string& out, const ChunkHead& head) {
  out += static_cast<char>(kFormat);
  put_varint(out, std::uint64_t{head.count});
  put_signed(out, head.first);
  put_varint(out, static_cast<std::uint64_t>(head.last) - static_cast<std::uint64_t>(head.first));
  put_signed(out, head.min);
  put_varint(out, static_cast<std::uint64_t>(head.max) - static_cast<std::uint64_t>(head.min));
  put_varint(out, static_cast<WideUnsigned>(head.sum - static_cast<Wide>(head.count) * head.min));
}

std::optional<ChunkHead> read_head(ByteReader& in) {
  const auto format = in.byte();
  if (format != kFormat) return std::nullopt;
  const auto count = in.varint();
  if (!count || *count == 0 || *count > kMostChunkPoints) return std::nullopt;
  ChunkHead head{.count = *count};
  // The greater of two signed numbers from the least and the distance, if it is one.
  const auto read_pair = [&](std::int64_t& least, std::int64_t& greatest) {
    const auto low = in.signed_varint();
    if (!low) return false;
    const auto distance = in.varint();
    if (!distance || *distance > static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(*low)) return false;
    least = *low;
    greatest = static_cast<std::int64_t>(static_cast<std::uint64_t>(*low) + *distance);
    return true;
  };
  if (!read_pair(head.first, head.last) || !read_pair(head.min, head.max)) return std::nullopt;
  const auto sum = in.varint<WideUnsigned>();
  const auto spread = static_cast<std::uint64_t>(head.max) - static_cast<std::uint64_t>(head.min);
  if (!sum || *sum > WideUnsigned{spread} * *count) return std::nullopt;
  head.sum = static_cast<Wide>(head.count) * head.min + static_cast<Wide>(*sum);
  return head;
}

void code_numbers(RangeEncoder& coder, const Column& column, const Numbers& numbers, const Numbers& times) {
  if (column.largest == 0) return;
  ResidualModel model{column.largest};
  for_each_residual(column.fit, numbers, times, [&](std::int64_t residual) { model.code(coder, residual); });
}

// `length`: the last of the times, before they are all known.
Numbers decode_numbers(RangeDecoder& coder, const Column& column, std::size_t count, const Numbers& times,
                       std::uint64_t length) {
  ResidualModel model{column.largest};
  Predictor predictor{column.fit, length};
  Numbers numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t time = times.empty() ? 0 : times[i];
    const std::int64_t residual = column.largest == 0 || coder.is_starved() ? 0 : model.code(coder, 0);
    numbers[i] = predictor.predict(time) + static_cast<std::uint64_t>(residual);
    predictor.learn(numbers[i], time);
  }
  return numbers;
}

// Turns what was divided back; false: it does not fit in 64 bits.
bool multiply(Numbers& numbers, std::uint64_t scale) {
  if (scale == 1) return true;
  return std::ranges::all_of(
      numbers, [scale](std::uint64_t& number) { return !__builtin_mul_overflow(number, scale, &number); });
}

std::unexpected<Error> damaged() { return fail(Errc::malformed, "a chunk of a series is damaged"); }

bool ascend_from_zero(const Numbers& times, std::uint64_t length) {
  return times.front() == 0 && times.back() == length &&
         std::ranges::adjacent_find(times, std::greater_equal{}) == times.end();
}

bool agrees(const Numbers& values, const ChunkHead& head) {
  std::uint64_t least = UINT64_MAX, greatest = 0;
  WideUnsigned sum = 0;
  for (const std::uint64_t value : values) {
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    sum += value;
  }
  return least == 0 && greatest == static_cast<std::uint64_t>(head.max) - static_cast<std::uint64_t>(head.min) &&
         sum == static_cast<WideUnsigned>(head.sum - static_cast<Wide>(head.count) * head.min);
}

ChunkHead head_of(std::span<const SeriesPoint> points) {
  const auto [min, max] = std::ranges::minmax(points, {}, &SeriesPoint::value);
  ChunkHead head{.count = points.size(),
                 .first = points.front().time,
                 .last = points.back().time,
                 .min = min.value,
                 .max = max.value,
                 .sum = 0};
  for (const SeriesPoint& point : points) head.sum += point.value;
  return head;
}

}  // namespace

Result<std::string> encode_chunk(std::span<const SeriesPoint> points) {
  if (points.empty() || points.size() > kMostChunkPoints) return fail(Errc::misuse, "a chunk has 1 to 65536 points");
  if (std::ranges::adjacent_find(points, std::greater_equal{}, &SeriesPoint::time) != points.end())
    return fail(Errc::misuse, "the times of a series do not ascend");
  const ChunkHead head = head_of(points);
  Numbers times, values;
  times.reserve(points.size());
  values.reserve(points.size());
  for (const SeriesPoint& point : points) {
    times.push_back(static_cast<std::uint64_t>(point.time) - static_cast<std::uint64_t>(head.first));
    values.push_back(static_cast<std::uint64_t>(point.value) - static_cast<std::uint64_t>(head.min));
  }
  const Numbers offsets = times;  // as the values' predictions see them
  const Column time_column = column_for(times, {});
  const Column value_column = column_for(values, offsets);
  std::string chunk;
  put_head(chunk, head);
  put_column(chunk, time_column);
  put_column(chunk, value_column);
  RangeEncoder coder{chunk};
  code_numbers(coder, time_column, times, {});
  code_numbers(coder, value_column, values, offsets);
  if (time_column.largest > 0 || value_column.largest > 0) coder.finish();
  return chunk;
}

Result<ChunkHead> read_chunk_head(std::string_view chunk) {
  ByteReader in{chunk};
  const auto head = read_head(in);
  if (!head) return damaged();
  return *head;
}

Result<void> decode_chunk(std::string_view chunk, std::vector<SeriesPoint>& points) {
  ByteReader in{chunk};
  const auto head = read_head(in);
  if (!head) return damaged();
  const auto time_column = read_column(in);
  if (!time_column) return damaged();
  const auto value_column = read_column(in);
  if (!value_column) return damaged();
  const std::uint64_t length = static_cast<std::uint64_t>(head->last) - static_cast<std::uint64_t>(head->first);
  RangeDecoder coder{in.rest()};
  Numbers times = decode_numbers(coder, *time_column, head->count, {}, length / time_column->scale);
  if (!multiply(times, time_column->scale) || !ascend_from_zero(times, length)) return damaged();
  Numbers values = decode_numbers(coder, *value_column, head->count, times, length);
  if (!multiply(values, value_column->scale) || !agrees(values, *head)) return damaged();
  const bool is_coded = time_column->largest > 0 || value_column->largest > 0;
  if (is_coded ? !coder.is_at_end() : !in.at_end()) return damaged();
  for (std::size_t i = 0; i < head->count; ++i) {
    points.push_back({.time = static_cast<std::int64_t>(times[i] + static_cast<std::uint64_t>(head->first)),
                      .value = static_cast<std::int64_t>(values[i] + static_cast<std::uint64_t>(head->min))});
  }
  return {};
}

}  // namespace everywatt
