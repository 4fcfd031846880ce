#include "meter/import_books.h"

#include <algorithm>

#include "meter/device_books.h"

namespace everywatt {

std::vector<Entry> book_record(const std::string& device, const EnergyCurve& curve, Nanoseconds from, Nanoseconds to,
                               const PhaseTimeline& phases) {
  constexpr Nanoseconds kMinute = 60 * kSecond;
  std::vector<Entry> entries;
  for (Nanoseconds begin = from; begin < to;) {
    const Nanoseconds end = std::min(next_on_grid(begin, kMinute), to);
    const Accounts booked = book_for_run({.energy = curve.between(begin, end),
                                          .length = end - begin,
                                          .share = {.ours = kWholeDevice, .unreserved = 0},
                                          .by_share = true});
    std::ranges::move(entries_of(device, booked, curve, begin, end, phases, begin / kMinute),
                      std::back_inserter(entries));
    begin = end;
  }
  return entries;
}

}  // namespace everywatt
