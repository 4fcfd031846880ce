// Series in the table `chunk`, and what does not fill a chunk yet, their tail, beside it (store/point_rows.h). Points
// are committed every second as one small row for the whole run; when a series has enough of them for a chunk, or its
// run has ended, they are folded into chunks. Reading and encoding happen before the file is locked, in plan_series();
// a run has one writer, so nothing moves in between.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/name_numbers.h"
#include "store/pending.h"
#include "store/point_rows.h"
#include "store/sqlite.h"

namespace everywatt {

// What the file already holds of a series.
struct OpenSeries {
  std::size_t tail_points = 0;
  std::optional<Nanoseconds> last = {};  // none: nothing
};
using OpenRun = std::map<std::string, ByTrack<OpenSeries>, std::less<>>;  // by device

Result<OpenRun> open_series(Connection& db, std::int64_t run);

struct SeriesWrite {
  struct Chunk {
    SeriesKey key;
    Nanoseconds first = 0;
    Nanoseconds last = 0;
    std::size_t points = 0;
    std::string data;
  };
  // Where it was time to fold: rows up to these are in `chunks` and `tail`.
  struct Folded {
    PointRows through;
    std::vector<Chunk> chunks;
    PointsByDevice tail;
    OpenRun after;  // what the file holds when this is written
  };
  std::optional<Folded> folded;  // none: the pending points are one more row
};

enum class RunEnd { open, ended };

// The file is looked at only where it is time to fold.
Result<SeriesWrite> plan_series(Connection& db, std::string_view run_id, const OpenRun& open,
                                const PointsByDevice& pending, RunEnd end);
Result<void> write_series(Connection& db, NameNumbers& names, std::int64_t run, const SeriesWrite& write,
                          const PointsByDevice& pending);
// What the file holds once that is written.
void note_written(OpenRun& open, SeriesWrite write, const PointsByDevice& pending);

// Points of one series that lie after `after`, in the order of time.
Result<std::vector<SeriesPoint>> read_series(Connection& db, std::int64_t run, const SeriesKey& key,
                                             std::optional<Nanoseconds> after = {});

// The first time of the series' first chunk; none: it has no chunks yet.
Result<std::optional<Nanoseconds>> first_chunk(Connection& db, std::int64_t run, const SeriesKey& key);

// Series of runs that ended before `wall`; returns how many runs had some.
Result<std::size_t> delete_series_before(Connection& db, Nanoseconds wall);

}  // namespace everywatt
