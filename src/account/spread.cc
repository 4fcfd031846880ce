#include "account/spread.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace everywatt {
namespace {

// One time of the run while it is put together.
struct Group {
  Span first;
  std::vector<std::uint32_t> processes;
  PhaseTime time;
};

// Ranks drift apart by far less than so many times.
constexpr std::size_t kLookBack = 64;

Group* group_for(std::vector<Group>& groups, const Span& span) {
  const Nanoseconds middle = span.begin + (span.end - span.begin) / 2;
  const std::size_t looks = std::min(kLookBack, groups.size());
  for (std::size_t i = 0; i < looks; ++i) {
    Group& group = groups[groups.size() - 1 - i];
    const bool is_within = middle >= group.first.begin && middle <= group.first.end;
    if (is_within && std::ranges::find(group.processes, span.process) == group.processes.end()) return &group;
  }
  return nullptr;
}

}  // namespace

std::vector<PhaseTime> times_of(std::span<const Span> spans, std::string_view path) {
  std::vector<Span> own;
  std::ranges::copy_if(spans, std::back_inserter(own), [&](const Span& span) { return span.path == path; });
  std::ranges::stable_sort(own, {}, &Span::begin);
  std::vector<Group> groups;
  for (const Span& span : own) {
    Group* group = group_for(groups, span);
    if (group == nullptr) group = &groups.emplace_back(Group{span, {}, {span.begin, span.end, 0}});
    group->processes.push_back(span.process);
    group->time.energy += span.energy;
    group->time.end = std::max(group->time.end, span.end);
  }
  std::vector<PhaseTime> times;
  for (const Group& group : groups) times.push_back(group.time);
  return times;
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::optional<Spread> spread_of(std::span<const PhaseTime> times) {
  if (times.empty()) return std::nullopt;
  std::vector<double> energies;
  for (const PhaseTime& time : times) energies.push_back(static_cast<double>(time.energy));
  const auto count = static_cast<double>(energies.size());
  const double mean = std::accumulate(energies.begin(), energies.end(), 0.0) / count;
  double squares = 0;
  for (const double energy : energies) squares += (energy - mean) * (energy - mean);
  Spread spread{.count = energies.size(),
                .median = median_of(energies),
                .least = std::ranges::min(energies),
                .most = std::ranges::max(energies)};
  if (energies.size() > 1) spread.standard_deviation = std::sqrt(squares / (count - 1));
  return spread;
}

}  // namespace everywatt
