#include "meter/rank_watch.h"

#include <algorithm>
#include <numeric>

#include "base/median.h"
#include "base/text.h"
#include "meter/phase_tracker.h"
#include "model/microjoules.h"

namespace everywatt {
namespace {

constexpr std::size_t kMostAhead = 4096;    // steps; a rank that far behind is none of this job
constexpr std::size_t kMostSampled = 4096;  // steps whose lateness is kept
constexpr double kLate = 0.1;               // of a step

// Of sorted ones, at least two, the median of all but one.
Nanoseconds middle_of_others(const std::vector<Nanoseconds>& sorted, Nanoseconds own) {
  const auto place = static_cast<std::size_t>(std::ranges::lower_bound(sorted, own) - sorted.begin());
  const auto other = [&](std::size_t i) { return sorted[i < place ? i : i + 1]; };
  const std::size_t others = sorted.size() - 1;
  return (other((others - 1) / 2) + other(others / 2)) / 2;
}

}  // namespace

std::size_t RankWatch::place_of(const ProcessKey& process) {
  const auto [at, is_new] = places_.try_emplace(process, processes_.size());
  if (is_new) {
    processes_.push_back(process);
    ranks_.emplace_back();
  }
  return at->second;
}

void RankWatch::set_rank(const ProcessKey& process, int rank) { ranks_[place_of(process)].stated = rank; }

void RankWatch::take(const Mark& mark) {
  const ProcessKey& process = mark.lane.process;
  if (const auto* tag = std::get_if<TagMark>(&mark.what); tag && tag->key == "rank") {
    if (const auto number = parse_u64(tag->value)) set_rank(process, static_cast<int>(*number));
    return;
  }
  if (mark.lane.thread != process.pid) return;
  if (std::holds_alternative<StepMark>(mark.what)) {
    end_step(ranks_[place_of(process)], mark.time);
  } else if (const auto* begin = std::get_if<WaitBegin>(&mark.what)) {
    if (begin->name != kData) ranks_[place_of(process)].waits[begin->span] = mark.time;
  } else if (const auto* end = std::get_if<WaitEnd>(&mark.what)) {
    Rank& rank = ranks_[place_of(process)];
    const auto open = rank.waits.find(end->span);
    if (open == rank.waits.end()) return;
    // One wait within another is counted once.
    if (rank.waits.size() == 1) {
      const Nanoseconds waited = std::max<Nanoseconds>(0, mark.time - open->second);
      rank.waited += waited;
      rank.waited_ever += waited;
    }
    rank.waits.erase(open);
  } else if (std::holds_alternative<ProcessEnd>(mark.what)) {
    Rank& rank = ranks_[place_of(process)];
    rank.waited_ever += rank.open_wait(mark.time);
    rank.waits.clear();
    rank.has_ended = true;
  }
}

Nanoseconds RankWatch::Rank::open_wait(Nanoseconds now) const {
  Nanoseconds longest = 0;
  for (const auto& [span, begin] : waits) longest = std::max(longest, now - begin);
  return longest;
}

// What lies before the first step is no step: programs begin at different times.
void RankWatch::end_step(Rank& rank, Nanoseconds time) {
  if (rank.step_began) {
    const Nanoseconds duration = time - *rank.step_began;
    rank.ahead.push_back({*rank.step_began, duration, std::min(rank.waited, duration)});
    if (rank.ahead.size() > kMostAhead) rank.ahead.pop_front();
  } else {
    align(time);
  }
  rank.step_began = time;
  rank.waited = 0;
}

// Another rank begins to count: of the others' steps those before it are nobody's to compare with.
void RankWatch::align(Nanoseconds time) {
  for (Rank& rank : ranks_) {
    while (!rank.ahead.empty() && rank.ahead.front().begin + rank.ahead.front().duration / 2 < time)
      rank.ahead.pop_front();
  }
}

void RankWatch::settle() {
  if (std::ranges::count_if(ranks_, [](const Rank& rank) { return rank.step_began.has_value(); }) < 2) return;
  for (;;) {
    std::vector<std::size_t> places;
    bool is_complete = true;
    for (std::size_t place = 0; place < ranks_.size(); ++place) {
      const Rank& rank = ranks_[place];
      if (!rank.step_began) continue;
      if (!rank.ahead.empty()) {
        places.push_back(place);
      } else if (!rank.has_ended) {
        is_complete = false;
      }
    }
    if (!is_complete || places.empty()) return;
    if (places.size() >= 2) settle_step(places);
    for (const std::size_t place : places) ranks_[place].ahead.pop_front();
  }
}

void RankWatch::settle_step(const std::vector<std::size_t>& places) {
  std::vector<Nanoseconds> worked, durations;
  Nanoseconds least_wait = ranks_[places.front()].ahead.front().waited;
  for (const std::size_t place : places) {
    const Step& step = ranks_[place].ahead.front();
    worked.push_back(step.duration - step.waited);
    durations.push_back(step.duration);
    least_wait = std::min(least_wait, step.waited);
  }
  const std::size_t slowest = places[static_cast<std::size_t>(std::ranges::max_element(worked) - worked.begin())];
  const Nanoseconds whole = std::max<Nanoseconds>(upper_median(durations), 1);
  std::vector<Nanoseconds> sorted = worked;
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < places.size(); ++i) {
    Rank& rank = ranks_[places[i]];
    const Step& step = rank.ahead.front();
    rank.sum.duration += step.duration;
    rank.sum.waited += step.waited;
    rank.waited_on.resize(ranks_.size());
    rank.waited_on[slowest] += step.waited - least_wait;
    const Nanoseconds behind = worked[i] - middle_of_others(sorted, worked[i]);
    const auto lateness = static_cast<float>(static_cast<double>(behind) / static_cast<double>(whole));
    ++rank.steps;
    // A sample in which each step stands with equal chance, as meter/floor keeps its own.
    const std::uint64_t slot = (rank.steps * 0x9E3779B97F4A7C15u >> 20) % rank.steps;
    if (rank.lateness.size() < kMostSampled) {
      rank.lateness.push_back(lateness);
    } else if (slot < kMostSampled) {
      rank.lateness[slot] = lateness;
    }
  }
}

std::vector<RankRecord> RankWatch::records(Nanoseconds now, const std::map<ProcessKey, Charge>& charges) const {
  std::vector<RankRecord> records;
  std::vector<MicroJoules> caused(ranks_.size(), 0);
  std::vector<std::size_t> places;
  for (std::size_t place = 0; place < ranks_.size(); ++place) {
    const Rank& rank = ranks_[place];
    if (rank.lateness.empty()) continue;
    places.push_back(place);
    const auto found = charges.find(processes_[place]);
    const Charge charge = found == charges.end() ? Charge{} : found->second;
    const Nanoseconds beyond = std::reduce(rank.waited_on.begin(), rank.waited_on.end());
    // Of all waits: also of the first, in which a rank may wait long for one that starts late.
    const Nanoseconds ever = rank.waited_ever + rank.open_wait(now);
    const auto waited = ever > 0 ? static_cast<MicroJoules>(static_cast<Wide>(charge.waiting) * beyond / ever) : 0;
    if (beyond > 0) {
      const auto parts = split(waited, std::vector<std::uint64_t>(rank.waited_on.begin(), rank.waited_on.end()));
      for (std::size_t other = 0; other < parts.size(); ++other) caused[other] += parts[other];
    }
    const auto late = std::ranges::count_if(rank.lateness, [](float part) { return part > kLate; });
    records.push_back({.rank = rank.stated.value_or(static_cast<int>(place)),
                       .pid = processes_[place].pid,
                       .steps = rank.steps,
                       .duration = rank.sum.duration,
                       .waited = rank.sum.waited,
                       .waited_on_others = beyond,
                       .energy = charge.all,
                       .energy_waited = waited,
                       .lateness = static_cast<double>(upper_median(rank.lateness)),
                       .late_share = static_cast<double>(late) / static_cast<double>(rank.lateness.size())});
  }
  for (std::size_t i = 0; i < records.size(); ++i) records[i].energy_caused = caused[places[i]];
  std::ranges::sort(records, {}, &RankRecord::rank);
  return records;
}

}  // namespace everywatt
