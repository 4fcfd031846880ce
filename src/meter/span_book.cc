#include "meter/span_book.h"

#include <algorithm>
#include <cmath>

namespace everywatt {

SpanBook::Number SpanBook::begin(const Begin& begin) {
  if (kept_.size() >= kMost || of_path_[begin.path] >= kMostOfPath) return 0;
  ++of_path_[begin.path];
  kept_.push_back({.begun = begin});
  return static_cast<Number>(kept_.size());
}

void SpanBook::end(Number span, Nanoseconds time) {
  if (span != 0) kept_[span - 1].end = std::max(time, kept_[span - 1].begun.time);
}

std::size_t SpanBook::place_of(const std::string& device) {
  const auto known = std::ranges::find(devices_, device);
  const auto place = static_cast<std::size_t>(known - devices_.begin());
  if (known == devices_.end()) devices_.push_back(device);
  return place;
}

void SpanBook::add(Number span, const std::string& device, MicroJoules energy) {
  if (span == 0 || energy == 0) return;
  const std::size_t place = place_of(device);
  for (Number at = span; at != 0; at = kept_[at - 1].begun.outer) {
    Kept& kept = kept_[at - 1];
    if (kept.energy.size() <= place) kept.energy.resize(place + 1);
    kept.energy[place] += energy;
    kept.is_news = true;
  }
}

void SpanBook::scale(const std::string& device, const Factor& factor) {
  const std::size_t place = place_of(device);
  for (Kept& kept : kept_) {
    if (kept.energy.size() <= place) continue;
    kept.energy[place] = std::llround(static_cast<double>(kept.energy[place]) * factor(kept.begun.path));
    kept.is_news = true;
  }
}

Span SpanBook::told(Number number, const std::vector<std::string>& paths, const std::vector<bool>& counted) const {
  const Kept& kept = kept_[number - 1];
  Span span{.number = number,
            .path = paths[kept.begun.path],
            .process = kept.begun.process,
            .begin = kept.begun.time,
            .end = *kept.end};
  for (std::size_t i = 0; i < kept.energy.size(); ++i) span.energy += counted[i] ? kept.energy[i] : 0;
  return span;
}

std::vector<Span> SpanBook::take_news(Nanoseconds booked_until, const std::vector<std::string>& paths,
                                      const Counts& counts) {
  std::vector<bool> counted;
  for (const std::string& device : devices_) counted.push_back(counts(device));
  std::vector<Span> news;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    Kept& kept = kept_[i];
    if (!kept.is_news || !kept.end || *kept.end > booked_until) continue;
    news.push_back(told(static_cast<Number>(i + 1), paths, counted));
    kept.is_news = false;
  }
  return news;
}

}  // namespace everywatt
