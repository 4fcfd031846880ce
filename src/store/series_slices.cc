#include "store/series_slices.h"

#include <algorithm>

namespace everywatt {
namespace {

constexpr std::size_t kBlock = 64;

}  // namespace

void DecodedSeries::append(const std::vector<SeriesPoint>& points) {
  for (const SeriesPoint& point : points) {
    times_.push_back(point.time);
    values_.push_back(point.value);
  }
  for (std::size_t at = blocks_.size() * kBlock; at + kBlock <= values_.size(); at += kBlock) {
    Block block{.min = values_[at], .max = values_[at], .sum = 0};
    for (std::size_t i = at; i < at + kBlock; ++i) {
      block.min = std::min(block.min, values_[i]);
      block.max = std::max(block.max, values_[i]);
      block.sum += values_[i];
    }
    blocks_.push_back(block);
  }
}

SeriesSlice DecodedSeries::slice_of(std::size_t from, std::size_t to) const {
  SeriesSlice slice{.begin = 0, .min = values_[from], .max = values_[from], .mean = 0, .count = to - from};
  Wide sum = 0;
  for (std::size_t i = from; i < to;) {
    if (i % kBlock == 0 && i + kBlock <= to) {
      const Block& block = blocks_[i / kBlock];
      slice.min = std::min(slice.min, block.min);
      slice.max = std::max(slice.max, block.max);
      sum += block.sum;
      i += kBlock;
    } else {
      slice.min = std::min(slice.min, values_[i]);
      slice.max = std::max(slice.max, values_[i]);
      sum += values_[i];
      ++i;
    }
  }
  slice.mean = static_cast<double>(sum) / static_cast<double>(to - from);
  return slice;
}

std::vector<SeriesSlice> DecodedSeries::slices(std::size_t count) const {
  std::vector<SeriesSlice> slices;
  if (empty() || count == 0) return slices;
  // Each slice begins where the one before ends; the last holds the last point.
  const Wide span = Wide{times_.back()} - times_.front() + 1;
  std::size_t from = 0;
  for (std::size_t i = 0; i < count && from < times_.size(); ++i) {
    const Wide begin = times_.front() + span * static_cast<Wide>(i) / static_cast<Wide>(count);
    const Wide end = times_.front() + span * static_cast<Wide>(i + 1) / static_cast<Wide>(count);
    const auto past = std::lower_bound(times_.begin() + static_cast<std::ptrdiff_t>(from), times_.end(), end,
                                       [](Nanoseconds time, Wide limit) { return time < limit; });
    const auto to = static_cast<std::size_t>(past - times_.begin());
    if (to == from) continue;
    slices.push_back(slice_of(from, to));
    slices.back().begin = static_cast<Nanoseconds>(begin);
    from = to;
  }
  return slices;
}

DecodedSeries& SeriesCache::series(const Key& key, Nanoseconds first) {
  const auto found = kept_.find(key);
  if (found != kept_.end() && !found->second.empty() && found->second.first() == first) return found->second;
  std::size_t points = 0;
  for (const auto& [other, decoded] : kept_) points += decoded.size();
  if (points > kMostPoints) kept_.clear();
  return kept_[key] = {};
}

}  // namespace everywatt
