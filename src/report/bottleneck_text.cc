#include "report/bottleneck_text.h"

#include <algorithm>
#include <cmath>

#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

constexpr std::size_t kMostLines = 6;
constexpr double kWorthAWord = 0.05;  // of the run's time

std::string show_bandwidth(Bandwidth bandwidth) {
  return show_bytes(static_cast<std::uint64_t>(std::llround(bandwidth / (gigabyte / second) * 1e9))) + "/s";
}

// "of 8 × 3.35 TB/s"; of GPUs that are not alike, their sum.
std::string of_peak(const std::vector<GpuInPhase>& gpus) {
  std::optional<Bandwidth> sum, first;
  std::size_t count = 0;
  bool are_alike = true;
  for (const GpuInPhase& gpu : gpus) {
    if (!gpu.use.memory) continue;
    if (!gpu.peak) return "";
    are_alike &= !first || *first == *gpu.peak;
    if (!first) first = gpu.peak;
    sum = sum ? *sum + *gpu.peak : *gpu.peak;
    ++count;
  }
  if (!first) return "";
  if (!are_alike) return " of " + show_bandwidth(*sum);
  return " of " + (count > 1 ? std::to_string(count) + " × " : "") + show_bandwidth(*first);
}

std::string memory_text(const PhaseBottleneck& phase) {
  return "DRAM " + show_percent(phase.use.gpus->memory.value_or(0)) + of_peak(phase.gpus);
}

std::string units_text(const PhaseBottleneck& phase) {
  const auto units = phase.use.gpus->busiest_units();
  return units ? std::string{units->name} + " " + show_percent(units->share) : "";
}

std::string input_text(const PhaseBottleneck& phase) {
  std::string text = show_percent(phase.use.input_wait) + " of the time waits for data";
  if (phase.input_workers_busy) text += ", loader workers busy " + show_percent(*phase.input_workers_busy);
  return text;
}

std::string sync_text(const PhaseBottleneck& phase) {
  return show_percent(phase.use.sync_wait) + " of the time waits for others" +
         (phase.longest_sync.empty() ? "" : " (" + fit(phase.longest_sync, 24) + ")");
}

std::string idle_text(const PhaseBottleneck& phase) {
  const std::string share = show_percent(phase.use.idle().value_or(0));
  if (phase.gpus.empty()) return "nothing works for " + share + " of the time";
  constexpr double kWorthSaying = 0.05;
  const bool is_said = phase.cpus.value_or(0) >= kWorthSaying;
  return "the GPUs rest " + share + " of the time" + (is_said ? ", " + show_ratio(*phase.cpus) + " CPUs work" : "");
}

bool is_known(const PhaseBottleneck& phase) { return phase.verdict.kind != Bottleneck::unknown; }

std::string verdict_line(const std::string& label, const std::string& subject, const PhaseBottleneck& phase) {
  const std::string kind{to_string(phase.verdict.kind)};
  return paragraph(14, label, (subject.empty() ? "" : subject + ": ") + kind + ": " + evidence_of(phase));
}

}  // namespace

std::string evidence_of(const PhaseBottleneck& phase) {
  switch (phase.verdict.kind) {
    case Bottleneck::compute:
      return units_text(phase) + ", " + memory_text(phase);
    case Bottleneck::memory:
      return memory_text(phase) + ", " + units_text(phase);
    case Bottleneck::input:
      return input_text(phase);
    case Bottleneck::communication:
      return sync_text(phase);
    case Bottleneck::idle:
      return idle_text(phase);
    case Bottleneck::unknown:
      break;
  }
  const bool has_figures = phase.use.gpus && phase.use.gpus->memory && phase.use.gpus->busiest_units();
  return phase.verdict.reason + (has_figures ? " (" + memory_text(phase) + ", " + units_text(phase) + ")" : "");
}

std::string bottleneck_lines(const Bill& bill) {
  std::string out;
  std::size_t lines = 0;
  std::vector<std::pair<std::string, Bottleneck>> said;
  const auto phases = phase_bottlenecks(bill);
  for (std::size_t i = 0; i < phases.size() && bill.phases.size() > 1; ++i) {
    const PhaseBill& phase = bill.phases[i];
    const PhaseUse& use = phases[i].use;
    const bool is_a_wait = use.without_waits() < 1e-9;
    const bool is_short = static_cast<double>(phase.duration) < kWorthAWord * static_cast<double>(bill.duration);
    const bool is_said = std::ranges::any_of(said, [&](const auto& outer) {
      return phase.path.starts_with(outer.first + "/") && outer.second == phases[i].verdict.kind;
    });
    if (!is_known(phases[i]) || is_a_wait || is_short || is_said || phase.path == "startup") continue;
    said.emplace_back(phase.path, phases[i].verdict.kind);
    if (++lines > kMostLines) continue;
    const std::string subject = phase.path.empty() ? "outside any phase" : fit(phase.path, 34);
    out += verdict_line(lines == 1 ? "bound" : "", subject, phases[i]);
  }
  if (lines > kMostLines)
    out += paragraph(
        14, "", "… and " + std::to_string(lines - kMostLines) + " more: everywatt show " + bill.run.id + " --json");
  if (lines > 0) return out;
  const PhaseBottleneck whole = run_bottleneck(bill);
  // That a job without GPUs rests, its idle draw says.
  const bool is_news = is_known(whole) && (whole.verdict.kind != Bottleneck::idle || !whole.gpus.empty());
  return is_news && bill.duration > kSecond ? verdict_line("bound", "", whole) : "";
}

}  // namespace everywatt
