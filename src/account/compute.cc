#include "account/compute.h"

#include <algorithm>
#include <set>

#include "account/utilisation.h"
#include "model/work_name.h"

namespace everywatt {
namespace {

using Amounts = std::map<std::string, Flop>;  // by precision

std::optional<std::string_view> precision_in(std::string_view what) {
  for (const std::string_view prefix : {kFlops, kRecomputedFlops})
    if (what.starts_with(prefix)) return what.substr(prefix.size());
  return std::nullopt;
}

void add(Amounts& sums, const std::map<std::string, double>& work, std::string_view prefix) {
  for (const auto& [what, amount] : work)
    if (what.starts_with(prefix)) sums[what.substr(prefix.size())] += amount * flop;
}

Flop sum_of(const Amounts& amounts) {
  Flop sum;
  for (const auto& [precision, amount] : amounts) sum += amount;
  return sum;
}

// Matrix units where the device has some for it: fp64 of an A100, fp32 of an MI300X.
Result<Peak> highest_peak(const Accelerator& accelerator, std::string_view precision) {
  const auto known = parse_precision(precision);
  if (!known) return fail(Errc::absent, "no peak is known for " + std::string{precision});
  const auto tensor = parse_precision(std::string{precision} + "-tensor");
  if (tensor)
    if (auto peak = find_peak(accelerator, *tensor)) return peak;
  return find_peak(accelerator, *known);
}

DevicePeak peak_of(const DeviceRecord& record, double share, const std::string& precision) {
  DevicePeak found{.device = record.device.id, .share = share, .precision = precision};
  if (std::ranges::find(record.flags, "mig") != record.flags.end()) {
    found.reason = record.device.id + " is cut into slices (MIG), whose peaks are not known";
    return found;
  }
  const auto accelerator = find_accelerator(record.device.model);
  if (!accelerator) {
    found.reason = accelerator.error().what;
    return found;
  }
  found.accelerator = accelerator->name;
  if (const auto peak = highest_peak(*accelerator, precision)) {
    found.peak = *peak;
  } else {
    found.reason = peak.error().what;
  }
  return found;
}

// Of all devices together, over the whole run.
Result<FlopRate> rate_of(std::span<const DevicePeak> peaks, const std::string& precision) {
  FlopRate rate;
  for (const DevicePeak& device : peaks) {
    if (device.precision != precision) continue;
    if (!device.peak) return fail(Errc::absent, *device.reason);
    rate += device.share * device.peak->rate;
  }
  return rate;
}

Result<double> utilisation_of(const Amounts& amounts, const ComputeFacts& facts) {
  if (facts.peaks.empty())
    return fail(Errc::absent, "the run had no accelerator, and what processors can do at most is not known");
  CHECK(facts.time);
  if (*facts.time <= Duration{}) return fail(Errc::absent, "it took no time");
  double sum = 0;
  for (const auto& [precision, amount] : amounts) {
    if (amount == Flop{}) continue;
    TRY(const FlopRate rate, rate_of(facts.peaks, precision));
    sum += utilisation(amount, rate, {.devices = 1, .time = *facts.time});
  }
  return sum;
}

void put(const Result<double>& told, std::optional<double>& value, std::optional<std::string>& reason) {
  if (told) {
    value = *told;
  } else {
    reason = told.error().what;
  }
}

}  // namespace

bool tells_recomputation(const std::map<std::string, double>& work) {
  return std::ranges::any_of(work, [](const auto& entry) { return entry.first.starts_with(kRecomputedFlops); });
}

bool has_flops(const std::map<std::string, double>& work) {
  return std::ranges::any_of(work, [](const auto& entry) { return precision_in(entry.first).has_value(); });
}

std::vector<DevicePeak> peaks_of(std::span<const DeviceRecord> devices, Nanoseconds duration,
                                 const std::map<std::string, double>& work) {
  std::set<std::string> precisions;
  for (const auto& [what, amount] : work)
    if (const auto precision = precision_in(what)) precisions.emplace(*precision);
  std::vector<DevicePeak> peaks;
  for (const DeviceRecord& record : devices) {
    const Nanoseconds had = std::max(record.reserved_time, record.busy_time);
    if (record.device.kind != DeviceKind::gpu || had <= 0 || duration <= 0) continue;
    const double share = static_cast<double>(had) / static_cast<double>(duration);
    for (const std::string& precision : precisions) peaks.push_back(peak_of(record, share, precision));
  }
  return peaks;
}

ComputeFigures compute_of(const ComputeFacts& facts) {
  ComputeFigures figures;
  Amounts model;
  add(model, facts.work, kFlops);
  if (model.empty()) {
    figures.model_reason = figures.hardware_reason = figures.mfu_reason = figures.hfu_reason = figures.energy_reason =
        "no floating-point operations were counted (everywatt.count, everywatt_flops)";
    return figures;
  }
  figures.model = sum_of(model);
  put(utilisation_of(model, facts), figures.mfu, figures.mfu_reason);
  if (facts.tells_recomputation) {
    Amounts hardware = model;
    add(hardware, facts.work, kRecomputedFlops);
    figures.hardware = sum_of(hardware);
    put(utilisation_of(hardware, facts), figures.hfu, figures.hfu_reason);
  } else {
    figures.hardware_reason = figures.hfu_reason =
        "the job does not say what it computed again (everywatt_recomputed_flops)";
  }
  if (facts.energy.value_or(0) > 0) {
    figures.work_per_energy = work_per_energy(*figures.model, static_cast<double>(*facts.energy) * microjoule);
  } else {
    figures.energy_reason = "no energy is charged to it";
  }
  return figures;
}

}  // namespace everywatt
