// What is left to do of a run when its job has ended: windows booked anew, the last facts, the bill.
#include <cstring>

#include <algorithm>
#include <functional>
#include <numeric>

#include "cli/ledger.h"
#include "cli/mark_sockets.h"
#include "cli/recording.h"

namespace everywatt {
namespace {

// Who measures moments waits for nothing that others can do.
constexpr Nanoseconds kLongEnoughToTidy = kSecond;

// "signal 2 (SIGINT)"
std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return "signal " + std::to_string(signal) + (name ? " (SIG" + std::string{name} + ")" : "");
}

}  // namespace

// The same sums with one entry a (device, phase, account, minute).
void Recording::add_entries(std::vector<Entry>& sums, const std::vector<Entry>& more) {
  for (const Entry& entry : more) {
    const auto same = std::ranges::find_if(sums, [&](const Entry& e) {
      return e.device == entry.device && e.phase == entry.phase && e.account == entry.account;
    });
    if (same == sums.end()) {
      sums.push_back(entry);
    } else {
      same->energy += entry.energy;
    }
  }
}

// What was learnt of floors by the end holds for the whole run.
void Recording::rebook() {
  const auto rebookings = meter_->rebookings();
  if (!store_ || store_failed_ || rebookings.empty()) return;
  if (!store_->commit()) return;
  auto stored = store_->read(run_.id);
  if (!stored) return;
  for (const Meter::Rebooking& device : rebookings) {
    DeviceSeries series{
        .device = device.device, .cpus = device.cpus, .is_sliced = device.is_sliced, .is_blurred = device.is_blurred};
    for (const Track track : kTracks) {
      auto read = store_->series(run_.id, device.device, track);
      if (!read) return;
      series.points[track] = *std::move(read);
    }
    const auto own = std::ranges::stable_partition(stored->entries,
                                                   [&](const Entry& entry) { return entry.device != device.device; });
    const std::vector<Entry> before{own.begin(), own.end()};
    stored->entries.erase(own.begin(), own.end());
    auto anew = divide_like(before, everywatt::rebook(series, device.floors, run_.started));
    meter_->phases().rebook_spans(device.device, before, anew);
    std::ranges::move(anew, std::back_inserter(stored->entries));
  }
  if (!store_->clear_entries(run_.id)) return;
  RunDelta anew{.entries = stored->entries, .spans = meter_->take_spans(ended_.steady)};
  if (!store_->append(run_.id, anew)) return;
  keep_spans(anew.spans);
  record_.entries.clear();
  add_entries(record_.entries, stored->entries);
}

// A ledger that was replaced, or from which the run was removed, while it was
// measured holds the last seconds alone: what was booked is in memory still.
void Recording::restore_entries() {
  if (store_failed_ || windows_ < 2) return;
  const auto sum = [](const std::vector<Entry>& entries) {
    return std::transform_reduce(entries.begin(), entries.end(), MicroJoules{0}, std::plus{},
                                 [](const Entry& entry) { return entry.energy; });
  };
  const auto stored = store_->read(run_.id);
  if (stored && sum(stored->entries) == sum(record_.entries)) return;
  note("the ledger lost this run while it was measured (removed or replaced): its sums are whole, its series are not");
  const RunDelta whole{.devices = record_.devices,
                       .entries = record_.entries,
                       .phases = record_.phases,
                       .spans = record_.spans,
                       .gaps = stored ? std::vector<Gap>{} : record_.gaps,
                       .series = {},
                       .phase_quantities = record_.phase_quantities};
  store_failed_ =
      !store_->put_run(run_) || !store_->clear_entries(run_.id) || !store_->append(run_.id, whole) || !store_->commit();
}

void Recording::drop_old_series() {
  if (!series_days_ || store_failed_) return;
  constexpr double kDay = 86'400e9;
  const auto kept = static_cast<Nanoseconds>(std::min(*series_days_, 36'500.0) * kDay);
  if (const auto dropped = store_->drop_series_before(ended_.wall - kept); !dropped)
    note("the series of old runs stay (retention.series_days): " + dropped.error().what);
}

Bill Recording::finish(const JobEnd& end) {
  rebook();
  later_facts_.finish(run_.environment);
  run_.ended = ended_;
  run_.exit_status = end.exit_status;
  const bool is_good = end.exit_status.value_or(0) == 0;
  run_.status = end.signal ? RunStatus::killed : is_good ? RunStatus::finished : RunStatus::failed;
  if (end.signal) run_.ended_by = signal_text(*end.signal);
  if (budget_ && budget_->has_stopped()) run_.ended_by = "budget";
  if (end.left_by) run_.ended_by = signal_text(*end.left_by) + " to everywatt";
  note_own_cost();
  if (store_) {
    for (const auto& [device, floor] : meter_->learnt_floors()) {
      (void)store_->put_floor({.host = ledger_host(run_.host, context_.roots),
                               .device = device,
                               .watts = floor.power / watt,
                               .method = std::string{to_string(floor.method)},
                               .windows = floor.windows,
                               .learnt_wall = ended_.wall});
    }
    const auto committed = [&]() -> Result<void> {
      CHECK(store_->put_run(run_));
      return store_->commit();
    }();
    store_failed_ = !committed;
    if (!committed) note("the run is not kept whole: " + committed.error().what);
    restore_entries();
    drop_old_series();
  }
  if (ended_.steady - run_.started.steady >= kLongEnoughToTidy) remove_deserted_mark_sockets();
  record_.run = run_;
  Bill bill = bill_of(record_);
  bill.facility = facility_of(bill, site_);
  return bill;
}

}  // namespace everywatt
