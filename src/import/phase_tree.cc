#include "import/phase_tree.h"

#include <fmt/core.h>

#include <algorithm>

namespace everywatt {
namespace {

double seconds(Nanoseconds time) { return static_cast<double>(time) / static_cast<double>(kSecond); }

TimeSpan clip(const NamedInterval& interval, TimeSpan run, std::vector<std::string>& notices) {
  const TimeSpan kept{std::max(interval.span.begin, run.begin), std::min(interval.span.end, run.end)};
  const Nanoseconds outside = interval.span.length() - std::max<Nanoseconds>(kept.length(), 0);
  if (outside > 0)
    notices.push_back(
        fmt::format("phase {}: {:.3f} s of it lie outside the run and are left out", interval.name, seconds(outside)));
  return kept;
}

}  // namespace

std::vector<PhaseSpan> nest(const std::vector<NamedInterval>& intervals, TimeSpan run,
                            std::vector<std::string>& notices) {
  std::vector<const NamedInterval*> ordered;
  ordered.reserve(intervals.size());
  for (const NamedInterval& interval : intervals) ordered.push_back(&interval);
  std::ranges::sort(ordered, [](const NamedInterval* a, const NamedInterval* b) {
    if (a->span.begin != b->span.begin) return a->span.begin < b->span.begin;
    return a->span.end != b->span.end ? a->span.end > b->span.end : a < b;
  });
  std::vector<PhaseSpan> spans;
  std::vector<PhaseSpan> open;  // outermost first
  for (const NamedInterval* ordered_interval : ordered) {
    const NamedInterval& interval = *ordered_interval;
    TimeSpan span = clip(interval, run, notices);
    if (span.end < span.begin || (span.length() == 0 && interval.span.length() > 0)) continue;
    while (!open.empty() && open.back().end <= span.begin) open.pop_back();
    if (!open.empty() && open.back().end < span.end) {
      notices.push_back(fmt::format("phase {}: outlives {}, in which it began, by {:.3f} s and is cut there",
                                    interval.name, open.back().path, seconds(span.end - open.back().end)));
      span.end = open.back().end;
    }
    PhaseSpan phase{span.begin, span.end, open.empty() ? interval.name : open.back().path + "/" + interval.name};
    open.push_back(phase);
    spans.push_back(std::move(phase));
  }
  return spans;
}

}  // namespace everywatt
