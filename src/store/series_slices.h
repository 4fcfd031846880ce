// Equal slices of a series with the extremes and the mean of each, for
// drawing. What was decoded once is kept, so that the next drawing of the same
// series costs a walk over blocks and not over points.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "model/run.h"
#include "store/pending.h"
#include "store/store.h"

namespace everywatt {

class DecodedSeries {
 public:
  void append(const std::vector<SeriesPoint>& points);
  [[nodiscard]] std::size_t size() const { return times_.size(); }
  [[nodiscard]] bool empty() const { return times_.empty(); }
  [[nodiscard]] Nanoseconds first() const { return times_.front(); }
  [[nodiscard]] Nanoseconds last() const { return times_.back(); }

  // Slices without points are left out.
  [[nodiscard]] std::vector<SeriesSlice> slices(std::size_t count) const;

 private:
  struct Block {
    std::int64_t min = 0;
    std::int64_t max = 0;
    Wide sum = 0;
  };
  [[nodiscard]] SeriesSlice slice_of(std::size_t from, std::size_t to) const;

  std::vector<Nanoseconds> times_;
  std::vector<std::int64_t> values_;
  std::vector<Block> blocks_;  // of full blocks of points
};

// The decoded series of one file, bounded: where all together become too many, it begins anew.
class SeriesCache {
 public:
  using Key = std::pair<std::int64_t, SeriesKey>;  // of a run and a series of it
  // What is kept of the series, empty at first. `first`: the time that it begins with now;
  // what is kept from before it was dropped and written anew is forgotten.
  DecodedSeries& series(const Key& key, Nanoseconds first);

 private:
  static constexpr std::size_t kMostPoints = 4u << 20;  // 64 MiB
  std::map<Key, DecodedSeries> kept_;
};

}  // namespace everywatt
