// A few points as bytes, without a model of them: what a series' open end is
// kept as, a second at a time, until enough points are there for a chunk
// (series_codec.h). docs/formats/series.md, "Packed points".
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/run.h"

namespace everywatt {

// Times ascend; there is at least one point.
std::string pack_points(std::span<const SeriesPoint> points);
// Appends to `points`. Errc::malformed: not what pack_points() wrote.
Result<void> unpack_points(std::string_view packed, std::vector<SeriesPoint>& points);

}  // namespace everywatt
