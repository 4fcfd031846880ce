// A device's windows booked anew from their series, once more is known of its floor.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "meter/device_books.h"

namespace everywatt {
namespace {

Power floor_of(std::int64_t value, Floors floors) {
  if (value >= 0) return static_cast<double>(value) * 1e-6 * watt;
  return value == kResting ? floors.resting : floors.ready;
}

// In the windows before and after, of what was told.
Nanoseconds beside(const std::vector<SeriesPoint>& cumulative, std::size_t window, std::size_t windows) {
  const auto in = [&](std::size_t i) {
    if (i == 0 || i >= windows || std::min(cumulative[i].value, cumulative[i - 1].value) < 0) return Nanoseconds{0};
    return std::max<Nanoseconds>(0, cumulative[i].value - cumulative[i - 1].value);
  };
  return in(window - 1) + in(window + 1);
}

}  // namespace

std::vector<Entry> rebook(const DeviceSeries& series, Floors floors, Instant started) {
  const auto& worked = series.points[Track::worked];
  const auto& ours = series.points[Track::ours];
  const auto& reserved = series.points[Track::reserved];
  const auto& unreserved = series.points[Track::unreserved];
  const auto& floor = series.points[Track::floor];
  EnergyCurve curve;
  for (const SeriesPoint& point : series.points[Track::energy]) curve.append(point.time, point.value);
  std::vector<Entry> entries;
  std::int64_t worked_before = 0;  // up to the last window of which it is known
  const std::size_t windows = std::min({worked.size(), ours.size(), reserved.size(), unreserved.size(), floor.size()});
  for (std::size_t i = 1; i < windows; ++i) {
    const Nanoseconds from = worked[i - 1].time;
    const Nanoseconds to = worked[i].time;
    const bool known = worked[i].value >= 0;
    const IdleShare share{.ours = static_cast<std::uint64_t>(reserved[i].value),
                          .unreserved = static_cast<std::uint64_t>(unreserved[i].value)};
    const Accounts accounts =
        book_for_run({.energy = curve.between(from, to),
                      .length = to - from,
                      .cpus = series.cpus,
                      .worked = known ? std::optional{worked[i].value - worked_before} : std::nullopt,
                      .ours = ours[i].value - ours[i - 1].value,
                      .share = share,
                      .floor = floor_of(floor[i].value, floors),
                      .by_share = is_by_share(series.device.starts_with("gpu:"), series.is_sliced, known, share),
                      .worked_beside = series.is_blurred ? beside(worked, i, windows) : 0,
                      .ours_beside = series.is_blurred ? beside(ours, i, windows) : 0});
    if (known) worked_before = worked[i].value;
    const std::int64_t minute = (started.wall + (from - started.steady)) / (60 * kSecond);
    std::ranges::move(entries_of(series.device, accounts, curve, from, to, {}, minute), std::back_inserter(entries));
  }
  return entries;
}

std::vector<Entry> divide_like(const std::vector<Entry>& before, const std::vector<Entry>& anew) {
  // By minute: what each phase had of each account, and of all of them together.
  struct Parts {
    std::map<std::string, std::uint64_t> of[4];
    std::map<std::string, std::uint64_t> of_all;
  };
  std::map<std::int64_t, Parts> minutes;
  for (const Entry& entry : before) {
    const auto energy = static_cast<std::uint64_t>(std::max<MicroJoules>(entry.energy, 0));
    Parts& parts = minutes[entry.minute];
    parts.of[static_cast<std::size_t>(entry.account)][entry.phase] += energy;
    parts.of_all[entry.phase] += energy;
  }
  std::vector<Entry> entries;
  for (const Entry& entry : anew) {
    const Parts& parts = minutes[entry.minute];
    const auto& own = parts.of[static_cast<std::size_t>(entry.account)];
    const auto& phases = own.empty() ? parts.of_all : own;
    std::vector<std::uint64_t> weights;
    for (const auto& [phase, weight] : phases) weights.push_back(weight);
    if (std::ranges::all_of(weights, [](std::uint64_t weight) { return weight == 0; })) {
      entries.push_back(entry);
      continue;
    }
    const auto split_energy = split(entry.energy, weights);
    std::size_t place = 0;
    for (const auto& [phase, weight] : phases) {
      Entry part = entry;
      part.phase = phase;
      part.energy = split_energy[place++];
      if (part.energy != 0) entries.push_back(std::move(part));
    }
  }
  return entries;
}

}  // namespace everywatt
