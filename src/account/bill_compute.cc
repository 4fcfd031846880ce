#include "account/bill_compute.h"

#include <algorithm>

#include "model/phase.h"

namespace everywatt {
namespace {

Duration seconds(Nanoseconds time) { return static_cast<double>(time) / 1e9 * second; }

std::map<std::string, double> work_within(const RunRecord& record, std::string_view path) {
  std::map<std::string, double> sums;
  for (const PhaseStat& stat : record.phases) {
    if (!lies_within(stat.path, path)) continue;
    for (const auto& [what, amount] : stat.work) sums[what] += amount;
  }
  return sums;
}

// What no phase holds. Steps are of the run as a whole.
std::map<std::string, double> work_outside(const RunRecord& record) {
  std::map<std::string, double> rest = record.run.work;
  rest.erase("steps");
  for (const PhaseStat& stat : record.phases)
    for (const auto& [what, amount] : stat.work) rest[what] -= amount;
  // Sums of doubles, added up in another order.
  std::erase_if(rest, [&](const auto& entry) { return entry.second <= 1e-12 * record.run.work.at(entry.first); });
  return rest;
}

// For how long anyone was in a phase. Ranks enter it together: the time that all of them spent in it is divided as
// those times are that were kept.
Result<Duration> time_of(const PhaseBill& phase, const RunRecord& record) {
  Nanoseconds of_all = 0, of_run = 0;
  for (const Span& span : record.spans) of_all += span.path == phase.path ? span.end - span.begin : 0;
  for (const PhaseTime& time : phase.times) of_run += time.end - time.begin;
  if (of_all > 0 && of_run > 0)
    return static_cast<double>(of_run) / static_cast<double>(of_all) * seconds(phase.duration);
  if (record.ranks.size() < 2) return seconds(phase.duration);
  return fail(Errc::absent, "for how long its ranks were in it together is not known yet");
}

// A loop counts after its steps: what it says outside its phases was done in them.
ComputeFigures without_time(const ComputeFigures& figures) {
  const std::string why = "counted outside any phase: when it was done is not known";
  return {.model = figures.model,
          .hardware = figures.hardware,
          .model_reason = figures.model_reason,
          .hardware_reason = figures.hardware_reason,
          .mfu_reason = why,
          .hfu_reason = why,
          .energy_reason = why};
}

}  // namespace

void add_compute(Bill& bill, const RunRecord& record) {
  const bool tells = tells_recomputation(record.run.work);
  bill.peaks = peaks_of(record.devices, bill.duration, record.run.work);
  bill.compute = compute_of({.work = record.run.work,
                             .tells_recomputation = tells,
                             .time = seconds(bill.duration),
                             .peaks = bill.peaks,
                             .energy = bill.energy.total});
  for (PhaseBill& phase : bill.phases) {
    phase.work = phase.path.empty() ? work_outside(record) : work_within(record, phase.path);
    if (!has_flops(phase.work)) continue;
    phase.compute = compute_of({.work = phase.work,
                                .tells_recomputation = tells,
                                .time = time_of(phase, record),
                                .peaks = bill.peaks,
                                .energy = phase.energy});
    if (phase.path.empty()) phase.compute = bill.phases.size() == 1 ? bill.compute : without_time(*phase.compute);
  }
}

}  // namespace everywatt
