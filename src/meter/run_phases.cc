#include "meter/run_phases.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "base/text.h"
#include "model/accounts.h"
#include "model/microjoules.h"

namespace everywatt {
namespace {

// Cumulative, linear between two readings.
Nanoseconds at(const std::deque<SeriesPoint>& points, Nanoseconds time) {
  const auto next = std::ranges::lower_bound(points, time, {}, &SeriesPoint::time);
  if (next == points.begin()) return points.empty() ? 0 : points.front().value;
  if (next == points.end()) return points.back().value;
  const SeriesPoint& before = *(next - 1);
  return before.value + static_cast<Nanoseconds>(static_cast<Wide>(next->value - before.value) * (time - before.time) /
                                                 (next->time - before.time));
}

// Of a job that says nothing.
std::vector<Entry> undivided(const std::string& device, const Accounts& booked, std::int64_t minute) {
  std::vector<Entry> entries;
  entries.reserve(kAccounts.size());
  for (const Account account : kAccounts) {
    if (booked[account] != 0)
      entries.push_back({.device = device, .account = account, .minute = minute, .energy = booked[account]});
  }
  return entries;
}

bool is_nothing(const std::vector<std::uint64_t>& weights) {
  return std::ranges::all_of(weights, [](std::uint64_t weight) { return weight == 0; });
}

// In any wait but for data: "epoch/wait:gradients".
bool waits_for_ranks(std::string_view path) {
  return std::ranges::any_of(split(path, '/'), [](std::string_view name) {
    return name.starts_with(kWait) && name.substr(kWait.size()) != kData;
  });
}

}  // namespace

void RunPhases::note_work(const std::string& on, const ProcessKey& process, Nanoseconds time, Nanoseconds worked) {
  Worked& points = worked_[on][process];
  if (!points.empty() && time <= points.back().time) return;
  points.push_back({time, points.empty() ? worked : std::max(worked, points.back().value)});
}

std::vector<std::uint64_t> RunPhases::shares_by(const std::string& on, Nanoseconds from, Nanoseconds to) const {
  const auto& processes = tracker_.processes();
  std::vector<std::uint64_t> shares(processes.size(), 0);
  const auto worked = worked_.find(on);
  if (worked == worked_.end()) return shares;
  for (std::size_t i = 0; i < processes.size(); ++i) {
    const auto points = worked->second.find(processes[i]);
    if (points != worked->second.end())
      shares[i] = static_cast<std::uint64_t>(at(points->second, to) - at(points->second, from));
  }
  return shares;
}

// By what each worked there, else on the processors; where none worked, all of it belongs to the one that spoke first.
std::vector<std::uint64_t> RunPhases::shares(const std::string& device, Nanoseconds from, Nanoseconds to) const {
  if (tracker_.processes().size() < 2) return {1};
  auto shares = shares_by(device, from, to);
  if (is_nothing(shares)) shares = shares_by("", from, to);
  if (is_nothing(shares)) shares.front() = 1;
  return shares;
}

void RunPhases::each_stretch(std::optional<std::size_t> process, Nanoseconds from, Nanoseconds to,
                             const TakeStretch& take) const {
  const auto pieces = process ? tracker_.pieces(*process, from, to) : std::vector{PhaseTracker::Piece{from, to, 0, 0}};
  for (const PhaseTracker::Piece& piece : pieces) {
    const bool is_open = piece.path == 0 && startup_ && startup_->from <= piece.begin;
    const Nanoseconds border = is_open ? std::clamp(startup_->until, piece.begin, piece.end) : piece.begin;
    if (border > piece.begin) take({kStartupPath, 0}, piece.begin, border);
    if (piece.end > border) take({piece.path, piece.in}, border, piece.end);
  }
}

RunPhases::Weights RunPhases::weights(std::optional<std::size_t> process, const EnergyCurve& curve, Nanoseconds from,
                                      Nanoseconds to) const {
  std::map<Cell, std::pair<std::uint64_t, std::uint64_t>> sums;  // by energy and by time
  MicroJoules before = curve.at(from);
  each_stretch(process, from, to, [&](Cell cell, Nanoseconds begin, Nanoseconds end) {
    const MicroJoules after = curve.at(end);
    auto& [energy, time] = sums[cell];
    energy += static_cast<std::uint64_t>(after - before);
    time += static_cast<std::uint64_t>(end - begin);
    before = after;
  });
  Weights weights;
  for (const auto& [cell, sum] : sums) {
    weights.cells.push_back(cell);
    weights.by_energy.push_back(sum.first);
    weights.by_time.push_back(sum.second);
  }
  // A curve that is flat here has no shape to follow.
  if (is_nothing(weights.by_energy)) weights.by_energy = weights.by_time;
  return weights;
}

// One account of one process: to its paths, and where it is charged to its spans too.
void RunPhases::divide(const Weights& weights, Entry whole, std::vector<Entry>& into) {
  const bool follows_energy = whole.account == Account::busy || whole.account == Account::other;
  const bool is_charged = whole.account == Account::busy || whole.account == Account::idle;
  const auto parts = split(whole.energy, follows_energy ? weights.by_energy : weights.by_time);
  for (std::size_t i = 0; i < parts.size();) {
    const std::uint32_t path = weights.cells[i].path;
    whole.energy = 0;
    for (; i < parts.size() && weights.cells[i].path == path; ++i) {
      whole.energy += parts[i];
      if (is_charged) tracker_.spans().add(weights.cells[i].in, whole.device, parts[i]);
    }
    whole.phase = this->path(path);
    if (whole.energy != 0) into.push_back(whole);
  }
}

std::vector<Entry> RunPhases::entries(const std::string& device, const Accounts& booked, const EnergyCurve& curve,
                                      Nanoseconds from, Nanoseconds to, std::int64_t minute) {
  if (tracker_.processes().empty() && !startup_) return undivided(device, booked, minute);
  const auto voices = shares(device, from, to);
  std::vector<std::vector<MicroJoules>> parts;  // by account, then by process
  for (const Account account : kAccounts) parts.push_back(split(booked[account], voices));
  std::vector<Entry> entries;
  for (std::size_t voice = 0; voice < voices.size(); ++voice) {
    if (voices[voice] == 0) continue;
    const std::size_t first = entries.size();
    const auto process = tracker_.processes().empty() ? std::nullopt : std::optional{voice};
    const Weights here = weights(process, curve, from, to);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i][voice] == 0) continue;
      divide(here, {.device = device, .account = kAccounts[i], .minute = minute, .energy = parts[i][voice]}, entries);
    }
    if (process) note_charges(tracker_.processes()[voice], std::span{entries}.subspan(first));
  }
  return entries;
}

void RunPhases::note_charges(const ProcessKey& process, std::span<const Entry> entries) {
  for (const Entry& entry : entries) {
    if (entry.account != Account::busy && entry.account != Account::idle) continue;
    RankWatch::Charge& charge = charges_[entry.device][process];
    charge.all += entry.energy;
    if (waits_for_ranks(entry.phase)) charge.waiting += entry.energy;
  }
}

std::map<ProcessKey, RankWatch::Charge> RunPhases::charges(
    const std::function<bool(const std::string&)>& counts) const {
  std::map<ProcessKey, RankWatch::Charge> sums;
  for (const auto& [device, processes] : charges_) {
    if (!counts(device)) continue;
    for (const auto& [process, charge] : processes) {
      sums[process].all += charge.all;
      sums[process].waiting += charge.waiting;
    }
  }
  return sums;
}

std::vector<Span> RunPhases::take_spans(Nanoseconds booked_until, const SpanBook::Counts& counts) {
  return tracker_.spans().take_news(booked_until, tracker_.paths(), counts);
}

void RunPhases::rebook_spans(const std::string& device, const std::vector<Entry>& before,
                             const std::vector<Entry>& anew) {
  const auto charged_within = [](const std::vector<Entry>& entries, const std::string& path) {
    double sum = 0;
    for (const Entry& entry : entries) {
      const bool is_charged = entry.account == Account::busy || entry.account == Account::idle;
      if (is_charged && (entry.phase == path || entry.phase.starts_with(path + "/")))
        sum += static_cast<double>(entry.energy);
    }
    return sum;
  };
  std::map<std::uint32_t, double> factors;
  tracker_.spans().scale(device, [&](std::uint32_t path) {
    const auto [at, is_new] = factors.try_emplace(path, 1.0);
    const std::string& name = tracker_.paths()[path];
    if (const double old = is_new ? charged_within(before, name) : 0; old > 0)
      at->second = charged_within(anew, name) / old;
    return at->second;
  });
}

std::string RunPhases::path(std::uint32_t number) const {
  return number == kStartupPath ? std::string{kStartup} : tracker_.paths()[number];
}

std::vector<RunPhases::Part> RunPhases::parts_from(const std::map<std::uint32_t, double>& sums) {
  std::vector<Part> parts;
  for (const auto& [path, share] : sums) parts.push_back({path, share});
  return parts;
}

std::vector<RunPhases::Part> RunPhases::parts(std::string_view device, Nanoseconds from, Nanoseconds to) const {
  const bool is_one_place = tracker_.processes().empty() && (!startup_ || startup_->until <= from);
  if (is_one_place) return {{.path = 0, .share = 1}};
  const auto voices = shares(std::string{device}, from, to);
  const auto all = std::accumulate(voices.begin(), voices.end(), std::uint64_t{0});
  std::map<std::uint32_t, double> sums;
  for (std::size_t voice = 0; voice < voices.size(); ++voice) {
    if (voices[voice] == 0) continue;
    const double weight =
        static_cast<double>(voices[voice]) / static_cast<double>(all) / static_cast<double>(to - from);
    const auto process = tracker_.processes().empty() ? std::nullopt : std::optional{voice};
    each_stretch(process, from, to, [&](Cell cell, Nanoseconds begin, Nanoseconds end) {
      sums[cell.path] += weight * static_cast<double>(end - begin);
    });
  }
  return parts_from(sums);
}

std::vector<RunPhases::Part> RunPhases::parts_of(const ProcessKey& process, Nanoseconds from, Nanoseconds to) const {
  const auto& processes = tracker_.processes();
  const auto known = std::ranges::find(processes, process);
  if (known == processes.end()) return {{.path = 0, .share = 1}};
  std::map<std::uint32_t, double> sums;
  each_stretch(static_cast<std::size_t>(known - processes.begin()), from, to,
               [&](Cell cell, Nanoseconds begin, Nanoseconds end) {
                 sums[cell.path] += static_cast<double>(end - begin) / static_cast<double>(to - from);
               });
  return parts_from(sums);
}

std::vector<PhaseStat> RunPhases::stats(Nanoseconds now) const {
  std::vector<PhaseStat> stats = tracker_.stats(now);
  if (startup_)
    stats.push_back({.path = std::string{kStartup}, .count = 1, .duration = startup_->until - startup_->from});
  return stats;
}

void RunPhases::forget_before(Nanoseconds time) {
  tracker_.forget_before(time);
  for (auto& [on, processes] : worked_) {
    for (auto& [process, points] : processes) {
      while (points.size() > 1 && points[1].time <= time) points.pop_front();
    }
  }
}

}  // namespace everywatt
