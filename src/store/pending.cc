#include "store/pending.h"

#include <algorithm>

namespace everywatt {

void PendingRun::take(const RunDelta& delta) {
  for (const DeviceRecord& record : delta.devices) {
    const auto same = std::ranges::find(devices, record.device.id,
                                        [](const DeviceRecord& d) -> const std::string& { return d.device.id; });
    if (same == devices.end()) {
      devices.push_back(record);
    } else {
      std::vector<QuantityRecord> quantities = std::move(same->quantities);
      std::vector<CrossCheck> checks = std::move(same->checks);
      *same = record;
      if (same->quantities.empty()) same->quantities = std::move(quantities);
      if (same->checks.empty()) same->checks = std::move(checks);
    }
  }
  for (const Entry& entry : delta.entries) {
    entries[{.minute = entry.minute, .device = entry.device, .phase = entry.phase, .account = entry.account}] +=
        entry.energy;
  }
  for (const PhaseStat& phase : delta.phases) phases[phase.path] = phase;
  if (!delta.ranks.empty()) ranks = delta.ranks;
  for (const PhaseQuantity& quantity : delta.phase_quantities)
    phase_quantities[{quantity.path, quantity.device, quantity.name}] = quantity;
  for (const Span& span : delta.spans) spans[span.number] = span;
  gaps.insert(gaps.end(), delta.gaps.begin(), delta.gaps.end());
}

void Pending::forget(std::string_view run) {
  const auto found = runs.find(run);
  if (found == runs.end()) return;
  for (const auto& [key, points_of] : found->second.series) points -= points_of.size();
  runs.erase(found);
}

}  // namespace everywatt
