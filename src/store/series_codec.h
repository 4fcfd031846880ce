// A chunk is a stretch of one series, a few thousand points, as few bytes as
// its noise allows: docs/formats/series.md describes every one of them. A
// chunk stands alone; its head tells count, first and last time, least and
// greatest value and the sum without decoding the rest.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/run.h"

namespace everywatt {

// How many points a full chunk has, and the most that any chunk may have.
inline constexpr std::size_t kChunkPoints = 4096;
inline constexpr std::size_t kMostChunkPoints = 1u << 16;

struct ChunkHead {
  std::size_t count = 0;
  Nanoseconds first = 0;
  Nanoseconds last = 0;
  std::int64_t min = 0;
  std::int64_t max = 0;
  Wide sum = 0;
};

// Errc::misuse: no points, too many, or times that do not ascend.
Result<std::string> encode_chunk(std::span<const SeriesPoint> points);

// Errc::malformed: not what encode_chunk() wrote. Any bytes give a result, in
// memory and time bounded by kMostChunkPoints.
Result<ChunkHead> read_chunk_head(std::string_view chunk);
Result<void> decode_chunk(std::string_view chunk, std::vector<SeriesPoint>& points);  // appends

}  // namespace everywatt
