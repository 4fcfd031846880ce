#include "meter/phase_tracker.h"

#include <algorithm>
#include <utility>

#include "base/overloaded.h"
#include "model/work_name.h"

namespace everywatt {
namespace {

// A job that puts numbers into names would fill the ledger with paths.
constexpr std::size_t kMostPaths = 1000;
constexpr std::string_view kFurther = "(further phases)";
constexpr std::size_t kDeepest = 32;

}  // namespace

void PhaseTracker::take(const Mark& mark) {
  std::visit(Overloaded{[&](const ProcessBegin&) {
                          (void)track_of(mark.lane.process);
                          living_.insert(mark.lane.process);
                          end_all(mark);
                        },
                        [&](const ProcessEnd&) {
                          living_.erase(mark.lane.process);
                          end_all(mark);
                        },
                        [&](const PhaseBegin& phase) { begin(mark, phase.span, phase.name); },
                        [&](const PhaseEnd& phase) { end(mark, phase.span); },
                        [&](const WaitBegin& wait) { begin(mark, wait.span, std::string{kWait} + wait.name); },
                        [&](const WaitEnd& wait) { end(mark, wait.span); },
                        [&](const CountMark& count) {
                          add_work(mark.lane, work_name(count), static_cast<double>(count.amount));
                        },
                        [&](const FlopsMark& flops) { add_work(mark.lane, work_name(flops), flops.amount / flop); },
                        [](const auto&) {}},
             mark.what);
}

PhaseTracker::Track& PhaseTracker::track_of(const ProcessKey& process) {
  const auto [at, is_new] = tracks_.try_emplace(process);
  if (is_new) {
    at->second.number = static_cast<std::uint32_t>(processes_.size());
    processes_.push_back(process);
  }
  return at->second;
}

// What is counted outside any phase stands in the run's sum alone.
void PhaseTracker::add_work(const Lane& lane, std::string what, double amount) {
  const auto& lanes = track_of(lane.process).lanes;
  const auto open = lanes.find(lane.thread);
  if (open != lanes.end() && !open->second.empty()) stats_[open->second.back().path].work[std::move(what)] += amount;
}

std::uint32_t PhaseTracker::path_within(std::uint32_t outer, std::string_view name) {
  const auto known = numbers_.find(std::pair{outer, std::string{name}});
  if (known != numbers_.end()) return known->second;
  if (paths_.size() >= kMostPaths && name != kFurther) {
    note("the job names more than " + std::to_string(kMostPaths) + " phases: further ones stand together as \"" +
         std::string{kFurther} + "\"");
    return path_within(0, kFurther);
  }
  const auto number = static_cast<std::uint32_t>(paths_.size());
  paths_.push_back(outer == 0 ? std::string{name} : paths_[outer] + "/" + std::string{name});
  outers_.push_back(outer);
  stats_.emplace_back();
  numbers_.emplace(std::pair{outer, std::string{name}}, number);
  return number;
}

void PhaseTracker::begin(const Mark& mark, std::uint64_t span, std::string_view name) {
  Track& track = track_of(mark.lane.process);
  std::vector<Open>& lane = track.lanes[mark.lane.thread];
  if (lane.size() >= kDeepest) {
    note("phases are nested more than " + std::to_string(kDeepest) + " deep: those within are part of the outer ones");
    return;
  }
  const std::uint32_t path = path_within(lane.empty() ? 0 : lane.back().path, name);
  const bool is_main = mark.lane.thread == mark.lane.process.pid;
  lane.push_back({.span = span, .path = path, .begin = mark.time});
  if (is_main) lane.back().kept = spans_.begin({track.number, path, place_in(lane).in, mark.time});
  note_change(mark, track);
}

// Those that began within it and are still open end with it.
void PhaseTracker::end(const Mark& mark, std::uint64_t span) {
  Track& track = track_of(mark.lane.process);
  std::vector<Open>& lane = track.lanes[mark.lane.thread];
  const auto open = std::ranges::find(lane, span, &Open::span);
  if (open == lane.end()) return;  // of a fork's parent, or cut off with an outer one
  if (open + 1 != lane.end())
    note("phases ended out of order: \"" + paths_[open->path] + "\" ended while \"" + paths_[lane.back().path] +
         "\" was open, which ends with it");
  const auto keep = static_cast<std::size_t>(open - lane.begin());
  while (lane.size() > keep) close(lane, mark.time, Ending::said);
  note_change(mark, track);
}

void PhaseTracker::end_all(const Mark& mark) {
  Track& track = track_of(mark.lane.process);
  for (auto& [thread, lane] : track.lanes) {
    while (!lane.empty()) close(lane, mark.time, Ending::cut_off);
  }
  track.lanes.clear();
  note_change(mark, track);
}

// An epoch in which its process ended is no epoch to compare others with.
void PhaseTracker::close(std::vector<Open>& lane, Nanoseconds time, Ending ending) {
  Stat& stat = stats_[lane.back().path];
  ++stat.count;
  stat.duration += std::max<Nanoseconds>(0, time - lane.back().begin);
  if (ending == Ending::said) spans_.end(lane.back().kept, time);
  lane.pop_back();
}

PhaseTracker::Place PhaseTracker::place_in(const std::vector<Open>& lane) {
  Place place{.path = lane.empty() ? 0 : lane.back().path};
  for (const Open& open : lane) {
    if (open.kept != 0) place.in = open.kept;
  }
  return place;
}

void PhaseTracker::note_change(const Mark& mark, Track& track) {
  const std::int32_t main = mark.lane.process.pid;
  if (mark.lane.thread != main) return;
  const auto lane = track.lanes.find(main);
  const Place place = lane == track.lanes.end() ? Place{} : place_in(lane->second);
  const Place last = track.changes.empty() ? track.before : track.changes.back().place;
  if (place == last) return;
  const Nanoseconds time = track.changes.empty() ? mark.time : std::max(mark.time, track.changes.back().time);
  track.changes.push_back({time, place});
}

std::vector<PhaseTracker::Piece> PhaseTracker::pieces(std::size_t process, Nanoseconds from, Nanoseconds to) const {
  std::vector<Piece> pieces;
  const Track& track = tracks_.at(processes_.at(process));
  auto next = std::ranges::upper_bound(track.changes, from, {}, &Change::time);
  Place place = next == track.changes.begin() ? track.before : (next - 1)->place;
  for (Nanoseconds at = from; at < to;) {
    const Nanoseconds end = next == track.changes.end() ? to : std::min(to, next->time);
    if (end > at) pieces.push_back({at, end, place.path, place.in});
    at = end;
    if (next != track.changes.end()) place = (next++)->place;
  }
  return pieces;
}

void PhaseTracker::forget_before(Nanoseconds time) {
  for (auto& [process, track] : tracks_) {
    while (!track.changes.empty() && track.changes.front().time <= time) {
      track.before = track.changes.front().place;
      track.changes.pop_front();
    }
  }
}

std::vector<PhaseStat> PhaseTracker::stats(Nanoseconds now) const {
  std::vector<Stat> sums = stats_;
  for (const auto& [process, track] : tracks_) {
    for (const auto& [thread, lane] : track.lanes) {
      for (const Open& open : lane) {
        ++sums[open.path].count;
        sums[open.path].duration += std::max<Nanoseconds>(0, now - open.begin);
      }
    }
  }
  std::vector<PhaseStat> stats;
  for (std::size_t i = 1; i < sums.size(); ++i)
    stats.push_back({.path = paths_[i], .count = sums[i].count, .duration = sums[i].duration, .work = sums[i].work});
  return stats;
}

void PhaseTracker::note(std::string line) {
  constexpr std::size_t kMostNotices = 8;
  if (notices_.size() < kMostNotices && std::ranges::find(notices_, line) == notices_.end())
    notices_.push_back(std::move(line));
}

}  // namespace everywatt
