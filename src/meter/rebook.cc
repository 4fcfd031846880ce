// A device's windows booked anew from their series, once more is known of its floor.
#include <algorithm>
#include <iterator>

#include "meter/device_books.h"

namespace everywatt {

std::vector<Entry> rebook(const DeviceSeries& series, Power floor, const PhaseTimeline& phases, Instant started) {
  EnergyCurve curve;
  for (const SeriesPoint& point : series.energy) curve.append(point.time, point.value);
  std::vector<Entry> entries;
  const std::size_t windows = std::min({series.worked.size(), series.ours.size(), series.reserved.size(),
                                        series.unreserved.size(), series.floor.size()});
  for (std::size_t i = 1; i < windows; ++i) {
    const Nanoseconds from = series.worked[i - 1].time;
    const Nanoseconds to = series.worked[i].time;
    const bool known = series.worked[i].value >= 0;
    const std::int64_t worked_before = std::max<std::int64_t>(series.worked[i - 1].value, 0);
    const IdleShare share{.ours = static_cast<std::uint64_t>(series.reserved[i].value),
                          .unreserved = static_cast<std::uint64_t>(series.unreserved[i].value)};
    const Accounts accounts = book_for_run(
        {.energy = curve.between(from, to),
         .length = to - from,
         .cpus = series.cpus,
         .worked = known ? std::optional{series.worked[i].value - worked_before} : std::nullopt,
         .ours = series.ours[i].value - series.ours[i - 1].value,
         .share = share,
         .floor = series.floor[i].value >= 0 ? static_cast<double>(series.floor[i].value) * 1e-6 * watt : floor,
         .by_share = is_by_share(series.device.starts_with("gpu:"), series.is_sliced, known, share)});
    const std::int64_t minute = (started.wall + (from - started.steady)) / (60 * kSecond);
    std::ranges::move(entries_of(series.device, accounts, curve, from, to, phases, minute),
                      std::back_inserter(entries));
  }
  return entries;
}

}  // namespace everywatt
