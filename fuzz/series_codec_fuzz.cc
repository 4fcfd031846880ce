// Chunks and packed points. The first byte chooses: bytes as a chunk, bytes as
// packed points, or bytes as a series that must come back as it went in.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "store/packed_points.h"
#include "store/series_codec.h"

namespace {

using namespace everywatt;

void must_ascend(const std::vector<SeriesPoint>& points) {
  for (std::size_t i = 1; i < points.size(); ++i)
    if (points[i].time <= points[i - 1].time) std::abort();
}

void must_come_back(const std::vector<SeriesPoint>& points) {
  const auto chunk = encode_chunk(points);
  std::vector<SeriesPoint> decoded, unpacked;
  if (!chunk || !decode_chunk(*chunk, decoded) || decoded != points) std::abort();
  const auto head = read_chunk_head(*chunk);
  if (!head || head->count != points.size() || head->first != points.front().time || head->last != points.back().time)
    std::abort();
  if (!unpack_points(pack_points(points), unpacked) || unpacked != points) std::abort();
}

void decode(std::string_view bytes) {
  std::vector<SeriesPoint> points;
  if (!decode_chunk(bytes, points)) {
    if (!points.empty()) std::abort();
    return;
  }
  must_ascend(points);
  must_come_back(points);
}

void unpack(std::string_view bytes) {
  std::vector<SeriesPoint> points;
  if (!unpack_points(bytes, points)) return;
  must_ascend(points);
  if (points.size() <= kMostChunkPoints) must_come_back(points);
}

// Two bytes of step and a width before each value of that many bytes.
std::vector<SeriesPoint> series_of(std::string_view bytes) {
  std::vector<SeriesPoint> points;
  std::int64_t time = -1'000'000;
  while (bytes.size() >= 3) {
    time += 1 + static_cast<unsigned char>(bytes[0]) * (static_cast<std::int64_t>(1) << (bytes[1] & 31));
    const std::size_t width = std::min<std::size_t>(static_cast<unsigned char>(bytes[2]) % 9, bytes.size() - 3);
    std::int64_t value = 0;
    std::memcpy(&value, bytes.data() + 3, width);
    points.push_back({.time = time, .value = value});
    bytes.remove_prefix(3 + width);
  }
  return points;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 3) {
    case 0:
      decode(bytes);
      break;
    case 1:
      unpack(bytes);
      break;
    default:
      if (const auto points = series_of(bytes); !points.empty() && points.size() <= kMostChunkPoints)
        must_come_back(points);
  }
  return 0;
}
