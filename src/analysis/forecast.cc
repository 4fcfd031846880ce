#include "analysis/forecast.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "analysis/student.h"
#include "base/text.h"

namespace everywatt {
namespace {

// A sum to come, with the half-width of its interval.
struct ToCome {
  double sum = 0;
  double half = 0;
};

// So many more like these. A sum of m to come is wrong by their own spread and by that of the mean they are told by.
ToCome sum_of_more(const std::vector<double>& seen, double more) {
  const auto count = static_cast<double>(seen.size());
  double mean = 0, squares = 0;
  for (const double value : seen) mean += value / count;
  for (const double value : seen) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / (count - 1));
  return {.sum = more * mean,
          .half = student_quantile(0.975, count - 1) * deviation * std::sqrt(more + more * more / count)};
}

// The first of three and more is left out: caches fill, kernels are compiled.
std::span<const PhaseTime> settled(const std::vector<PhaseTime>& times) {
  return std::span{times}.subspan(times.size() > 2 ? 1 : 0);
}

}  // namespace

std::optional<Forecast> forecast(const Progress& progress) {
  if (progress.times.size() < 2 || progress.times.size() >= progress.expected) return std::nullopt;
  const auto seen = settled(progress.times);
  std::vector<double> energies, lengths;
  double all = 0;
  for (const PhaseTime& time : seen) {
    energies.push_back(static_cast<double>(time.energy));
    lengths.push_back(static_cast<double>(time.end - time.begin));
    all += lengths.back();
  }
  const double before_last = all - lengths.back();
  if (before_last <= 0) return std::nullopt;
  // From begin to begin, against the epochs alone.
  const double whole = static_cast<double>(seen.back().begin - seen.front().begin) / before_last;
  const double cycle = whole * all / static_cast<double>(seen.size());
  const double begun = std::clamp(static_cast<double>(progress.now - seen.back().end) / cycle, 0.0, 1.0);
  const double more = static_cast<double>(progress.expected - progress.times.size()) - begun;
  const ToCome energy = sum_of_more(energies, more), length = sum_of_more(lengths, more);
  const auto part = [&](double value) { return std::llround(std::max(0.0, whole * value)); };
  const Nanoseconds elapsed = progress.now - progress.started;
  return Forecast{.done = progress.times.size(),
                  .expected = progress.expected,
                  .energy = progress.spent + part(energy.sum),
                  .energy_low = progress.spent + part(energy.sum - energy.half),
                  .energy_high = progress.spent + part(energy.sum + energy.half),
                  .duration = elapsed + part(length.sum),
                  .duration_low = elapsed + part(length.sum - length.half),
                  .duration_high = elapsed + part(length.sum + length.half)};
}

std::optional<Forecast> forecast_of(const Bill& bill) {
  const auto& facts = bill.run.environment;
  const auto expected = facts.find("expected_epochs");
  if (expected == facts.end() || bill.run.status != RunStatus::running || !bill.energy.total) return std::nullopt;
  const auto count = parse_u64(expected->second);
  const auto named = facts.find("epoch_phase");
  const std::string path = named == facts.end() ? "epoch" : named->second;
  const auto phase = std::ranges::find(bill.phases, path, &PhaseBill::path);
  if (!count || phase == bill.phases.end()) return std::nullopt;
  return forecast({.times = phase->times,
                   .expected = *count,
                   .started = bill.run.started.steady,
                   .now = bill.run.started.steady + bill.duration,
                   .spent = *bill.energy.total});
}

}  // namespace everywatt
