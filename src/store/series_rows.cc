#include "store/series_rows.h"

#include <algorithm>
#include <iterator>

#include "store/bytes.h"
#include "store/packed_points.h"
#include "store/run_rows.h"
#include "store/series_codec.h"

namespace everywatt {
namespace {

struct TailSection {
  std::int64_t device = 0;  // number of its name
  Track track = Track::energy;
  std::string_view packed;
};

std::unexpected<Error> damaged_series(const Connection& db) {
  return fail(Errc::malformed,
              db.path().string() + ": a series is damaged; the run's other figures are not touched by it");
}

std::optional<TailSection> read_section(ByteReader& reader) {
  const auto device = reader.varint();
  const auto track = reader.byte();
  const auto size = reader.varint();
  if (!device || !track || *track > static_cast<int>(Track::floor) || !size) return std::nullopt;
  const auto packed = reader.bytes(*size);
  if (!packed) return std::nullopt;
  return TailSection{static_cast<std::int64_t>(*device), static_cast<Track>(*track), *packed};
}

template <class Take>
Result<PointRows> visit_sections(Connection& db, std::int64_t run, const Take& take) {
  return visit_point_rows(db, run, [&](std::string_view data) -> Result<void> {
    ByteReader reader{data};
    while (!reader.at_end()) {
      const auto section = read_section(reader);
      if (!section) return damaged_series(db);
      CHECK(take(*section));
    }
    return {};
  });
}

// All points that are in no chunk yet by series, and the rows where they stand.
struct Tail {
  PointsByDevice points;
  PointRows rows = {};
};

Result<Tail> read_tail(Connection& db, std::int64_t run) {
  Tail tail;
  TRY(const auto names, names_of(db, run));
  TRY(tail.rows, visit_sections(db, run, [&](const TailSection& section) -> Result<void> {
        const auto name = names.find(section.device);
        if (name == names.end()) return damaged_series(db);
        if (!unpack_points(section.packed, tail.points[name->second][section.track])) return damaged_series(db);
        return {};
      }));
  return tail;
}

// Those of one series, appended.
Result<void> read_tail_of(Connection& db, std::int64_t run, const SeriesKey& key, std::vector<SeriesPoint>& points) {
  TRY(const auto device, db.number("SELECT number FROM name WHERE run = ? AND text = ?", run, key.device));
  if (!device) return {};
  CHECK(visit_sections(db, run, [&](const TailSection& section) -> Result<void> {
    if (section.device != *device || section.track != key.track) return {};
    if (!unpack_points(section.packed, points)) return damaged_series(db);
    return {};
  }));
  return {};
}

Result<void> plan_chunks(const SeriesKey& key, const std::vector<SeriesPoint>& points, RunEnd end,
                         SeriesWrite::Folded& write) {
  std::span<const SeriesPoint> rest{points};
  while (rest.size() >= kChunkPoints || (end == RunEnd::ended && !rest.empty())) {
    const auto part = rest.first(std::min(rest.size(), kChunkPoints));
    TRY(std::string data, encode_chunk(part));
    write.chunks.push_back({.key = key,
                            .first = part.front().time,
                            .last = part.back().time,
                            .points = part.size(),
                            .data = std::move(data)});
    rest = rest.subspan(part.size());
  }
  if (!rest.empty()) write.tail[key.device][key.track].assign(rest.begin(), rest.end());
  write.after[key.device][key.track] = {.tail_points = rest.size(), .last = points.back().time};
  return {};
}

bool is_time_to_fold(const OpenRun& open, const PointsByDevice& pending, RunEnd end) {
  if (end == RunEnd::ended) return true;
  return std::ranges::any_of(pending, [&](const auto& series) {
    const auto& [device, points] = series;
    const auto before = open.find(device);
    return std::ranges::any_of(kTracks, [&](Track track) {
      return points[track].size() + (before == open.end() ? 0 : before->second[track].tail_points) >= kChunkPoints;
    });
  });
}

}  // namespace

Result<OpenRun> open_series(Connection& db, std::int64_t run) {
  OpenRun open;
  TRY(Query query, db.query("SELECT text, track, max(last_ns) FROM chunk JOIN name ON name.run = chunk.run AND "
                            "number = device WHERE chunk.run = ? GROUP BY text, track",
                            run));
  CHECK(for_each(std::move(query),
                 [&](const Query& row) { open[row.text(0)][static_cast<Track>(row.i64(1))].last = row.i64(2); }));
  TRY(const Tail tail, read_tail(db, run));
  for (const auto& [device, series] : tail.points) {
    for (const Track track : kTracks) {
      if (const auto& points = series[track]; !points.empty())
        open[device][track] = {.tail_points = points.size(), .last = points.back().time};
    }
  }
  return open;
}

Result<SeriesWrite> plan_series(Connection& db, std::string_view run_id, const OpenRun& open,
                                const PointsByDevice& pending, RunEnd end) {
  if (!is_time_to_fold(open, pending, end)) return SeriesWrite{};
  SeriesWrite::Folded folded{.through = {}, .chunks = {}, .tail = {}, .after = open};
  Tail tail;
  TRY(const auto run, run_key(db, run_id));
  if (run) {
    TRY(tail, read_tail(db, *run));
    folded.through = tail.rows;
  }
  for (const auto& [device, series] : pending) append(series, tail.points[device]);
  for (const auto& [device, series] : tail.points) {
    for (const Track track : kTracks) {
      if (!series[track].empty()) CHECK(plan_chunks({.device = device, .track = track}, series[track], end, folded));
    }
  }
  return SeriesWrite{.folded = std::move(folded)};
}

Result<void> write_series(Connection& db, NameNumbers& names, std::int64_t run, const SeriesWrite& write,
                          const PointsByDevice& pending) {
  if (write.folded) {
    for (const SeriesWrite::Chunk& chunk : write.folded->chunks) {
      TRY(const std::int64_t device, names.number(db, run, chunk.key.device));
      CHECK(
          db.run("INSERT INTO chunk (run, device, track, first_ns, last_ns, points, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
                 run, device, static_cast<int>(chunk.key.track), chunk.first, chunk.last, std::uint64_t{chunk.points},
                 Blob{chunk.data}));
    }
    CHECK(delete_point_rows(db, run, write.folded->through));
  }
  std::string data;
  for (const auto& [name, series] : write.folded ? write.folded->tail : pending) {
    TRY(const std::int64_t device, names.number(db, run, name));
    for (const Track track : kTracks) {
      if (series[track].empty()) continue;
      const std::string packed = pack_points(series[track]);
      put_varint(data, static_cast<std::uint64_t>(device));
      data += static_cast<char>(track);
      put_varint(data, std::uint64_t{packed.size()});
      data += packed;
    }
  }
  if (data.empty()) return {};
  return append_point_row(db, run, data);
}

void note_written(OpenRun& open, SeriesWrite write, const PointsByDevice& pending) {
  if (write.folded) {
    open = std::move(write.folded->after);
    return;
  }
  for (const auto& [device, series] : pending) {
    auto& held = open[device];
    for (const Track track : kTracks) {
      if (series[track].empty()) continue;
      held[track].tail_points += series[track].size();
      held[track].last = series[track].back().time;
    }
  }
}

Result<std::vector<SeriesPoint>> read_series(Connection& db, std::int64_t run, const SeriesKey& key,
                                             std::optional<Nanoseconds> after) {
  std::vector<SeriesPoint> points;
  TRY(Query query, db.query("SELECT data FROM chunk JOIN name ON name.run = chunk.run AND number = device "
                            "WHERE chunk.run = ?1 AND text = ?2 AND track = ?3 AND (?4 IS NULL OR last_ns > ?4) "
                            "ORDER BY first_ns",
                            run, key.device, static_cast<int>(key.track), after));
  CHECK(for_each(std::move(query), [&](const Query& row) -> Result<void> {
    if (!decode_chunk(row.view(0), points)) return damaged_series(db);
    return {};
  }));
  CHECK(read_tail_of(db, run, key, points));
  if (after) points.erase(points.begin(), std::ranges::upper_bound(points, *after, {}, &SeriesPoint::time));
  return points;
}

Result<std::optional<Nanoseconds>> first_chunk(Connection& db, std::int64_t run, const SeriesKey& key) {
  return db.number(
      "SELECT min(first_ns) FROM chunk JOIN name ON name.run = chunk.run AND number = device "
      "WHERE chunk.run = ? AND text = ? AND track = ?",
      run, key.device, static_cast<int>(key.track));
}

Result<std::size_t> delete_series_before(Connection& db, Nanoseconds wall) {
  TRY(Query query, db.query("SELECT key, EXISTS (SELECT 1 FROM chunk WHERE run = key) FROM run "
                            "WHERE ended_wall_ns < ? AND status <> 'running'",
                            wall));
  std::vector<std::int64_t> runs;
  CHECK(for_each(std::move(query), [&](const Query& row) -> Result<void> {
    const std::int64_t run = row.i64(0);
    TRY(const bool has_points, has_point_rows(db, run));
    if (has_points || row.i64(1) != 0) runs.push_back(run);
    return {};
  }));
  for (const std::int64_t run : runs) {
    CHECK(db.run("DELETE FROM chunk WHERE run = ?", run));
    CHECK(db.run("DELETE FROM tail WHERE run = ?", run));
    CHECK(delete_recent_points(db, run));
  }
  return runs.size();
}

}  // namespace everywatt
