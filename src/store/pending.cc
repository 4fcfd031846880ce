#include "store/pending.h"

#include <algorithm>
#include <iterator>

namespace everywatt {
namespace {

// Those of equal key become one.
void merge(std::vector<Entry>& entries) {
  const auto key = [](const Entry& entry) {
    return std::tuple<std::int64_t, std::string_view, std::string_view, Account>{entry.minute, entry.device,
                                                                                 entry.phase, entry.account};
  };
  std::ranges::sort(entries, {}, key);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (key(entries[i]) == key(entries[kept])) {
      entries[kept].energy += entries[i].energy;
    } else if (++kept != i) {
      entries[kept] = std::move(entries[i]);
    }
  }
  entries.resize(std::min(entries.size(), kept + 1));
}

}  // namespace

void PendingRun::take(RunDelta& delta) {
  for (DeviceRecord& record : delta.devices) {
    const auto same = std::ranges::find(devices, record.device.id,
                                        [](const DeviceRecord& d) -> const std::string& { return d.device.id; });
    if (same == devices.end()) {
      devices.push_back(std::move(record));
    } else {
      std::vector<QuantityRecord> quantities = std::move(same->quantities);
      std::vector<CrossCheck> checks = std::move(same->checks);
      *same = std::move(record);
      if (same->quantities.empty()) same->quantities = std::move(quantities);
      if (same->checks.empty()) same->checks = std::move(checks);
    }
  }
  if (entries.empty()) {
    entries = std::move(delta.entries);
  } else {
    std::ranges::move(delta.entries, std::back_inserter(entries));
    if (entries.size() > 2 * merged) {
      merge(entries);
      merged = entries.size();
    }
  }
  for (const PhaseStat& phase : delta.phases) phases[phase.path] = phase;
  if (!delta.ranks.empty()) ranks = std::move(delta.ranks);
  for (const PhaseQuantity& quantity : delta.phase_quantities)
    phase_quantities[{quantity.path, quantity.device, quantity.name}] = quantity;
  for (const Span& span : delta.spans) spans[span.number] = span;
  std::ranges::move(delta.gaps, std::back_inserter(gaps));
}

void Pending::forget(std::string_view run) {
  const auto found = runs.find(run);
  if (found == runs.end()) return;
  for (const auto& [device, series] : found->second.series) {
    for (const auto& points_of : series.of_all) points -= points_of.size();
  }
  runs.erase(found);
}

}  // namespace everywatt
