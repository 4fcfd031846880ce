// What was written and not yet committed, kept in memory so that the file is
// locked for the length of one commit only, and so that nothing is lost while
// the disk is full: the next commit tries again. Rows that replace or add up
// are merged here, so that a long outage holds one row each; only points grow,
// and they are bounded.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "model/run.h"
#include "store/store.h"

namespace everywatt {

struct SeriesKey {
  std::string device;
  Track track = Track::energy;
  auto operator<=>(const SeriesKey&) const = default;
};

using PointsByDevice = std::map<std::string, Tracks, std::less<>>;

struct PendingRun {
  std::optional<Run> facts;
  bool clears_entries = false;  // before `entries` are added
  std::vector<DeviceRecord> devices;
  std::vector<Entry> entries;  // twice as many as there are keys at most, and those of one delta
  std::size_t merged = 0;      // of them, when those of equal key last became one
  std::map<std::string, PhaseStat> phases;
  std::map<std::uint64_t, Span> spans;  // by number
  std::vector<Gap> gaps;
  std::vector<RankRecord> ranks;
  std::map<std::tuple<std::string, std::string, std::string>, PhaseQuantity> phase_quantities;  // path, device, name
  PointsByDevice series;

  // All but the series.
  void take(RunDelta& delta);
  // The run has ended: nothing is to come.
  [[nodiscard]] bool is_over() const { return facts && facts->status != RunStatus::running; }
};

struct Pending {
  // About an hour of six devices' tracks at ten points a second; 16 MiB.
  static constexpr std::size_t kMostPoints = 1u << 20;

  std::map<std::string, PendingRun, std::less<>> runs;
  std::map<std::pair<std::string, std::string>, LearntFloor> floors;
  std::map<std::tuple<std::string, std::string, std::string>, Calibration> calibrations;
  std::size_t points = 0;  // in all series

  [[nodiscard]] bool empty() const { return runs.empty() && floors.empty() && calibrations.empty(); }
  void forget(std::string_view run);
};

}  // namespace everywatt
