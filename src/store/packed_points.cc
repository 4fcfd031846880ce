#include "store/packed_points.h"

#include "store/bytes.h"

namespace everywatt {

// Differences are taken modulo 2^64: every pair of values has one.
std::string pack_points(std::span<const SeriesPoint> points) {
  std::string packed;
  put_varint(packed, std::uint64_t{points.size()});
  std::uint64_t time = 0, value = 0;
  for (const SeriesPoint& point : points) {
    const auto next_time = static_cast<std::uint64_t>(point.time);
    const auto next_value = static_cast<std::uint64_t>(point.value);
    if (&point == points.data()) {
      put_signed(packed, point.time);
    } else {
      put_varint(packed, next_time - time - 1);
    }
    put_signed(packed, static_cast<std::int64_t>(next_value - value));
    time = next_time;
    value = next_value;
  }
  return packed;
}

Result<void> unpack_points(std::string_view packed, std::vector<SeriesPoint>& points) {
  const auto damaged = [] { return fail(Errc::malformed, "packed points are damaged"); };
  ByteReader reader{packed};
  const auto count = reader.varint();
  // A point takes two bytes or more: no number in a damaged head makes us reserve memory.
  if (!count || *count == 0 || *count > packed.size() / 2) return damaged();
  std::int64_t time = 0;
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < *count; ++i) {
    if (i == 0) {
      const auto first = reader.signed_varint();
      if (!first) return damaged();
      time = *first;
    } else {
      const auto step = reader.varint();
      const std::uint64_t room = static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(time);
      if (!step || *step >= room) return damaged();
      time = static_cast<std::int64_t>(static_cast<std::uint64_t>(time) + *step + 1);
    }
    const auto step = reader.signed_varint();
    if (!step) return damaged();
    value += static_cast<std::uint64_t>(*step);
    points.push_back({.time = time, .value = static_cast<std::int64_t>(value)});
  }
  if (!reader.at_end()) return damaged();
  return {};
}

}  // namespace everywatt
