#include "meter/phases.h"

#include <algorithm>
#include <map>

namespace everywatt {

PhaseTimeline::PhaseTimeline(std::vector<PhaseSpan> spans) : spans_{std::move(spans)} {
  std::ranges::stable_sort(spans_, [](const PhaseSpan& a, const PhaseSpan& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
}

std::vector<PhaseTimeline::Piece> PhaseTimeline::pieces(Nanoseconds from, Nanoseconds to) const {
  std::vector<Nanoseconds> cuts{from, to};
  std::vector<const PhaseSpan*> here;
  for (const PhaseSpan& span : spans_) {
    if (span.begin >= to) break;
    if (span.end <= from) continue;
    here.push_back(&span);
    for (const Nanoseconds cut : {span.begin, span.end}) {
      if (cut > from && cut < to) cuts.push_back(cut);
    }
  }
  std::ranges::sort(cuts);
  std::vector<Piece> pieces;
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    if (cuts[i] == cuts[i - 1]) continue;
    Piece piece{cuts[i - 1], cuts[i], {}};
    for (const PhaseSpan* span : here) {  // ordered by begin: the last that covers the piece is innermost
      if (span->begin <= piece.begin && span->end >= piece.end) piece.path = span->path;
    }
    if (!pieces.empty() && pieces.back().path == piece.path) {
      pieces.back().end = piece.end;
    } else {
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

std::vector<PhaseStat> PhaseTimeline::stats() const {
  std::map<std::string, PhaseStat> by_path;
  for (const PhaseSpan& span : spans_) {
    PhaseStat& stat = by_path[span.path];
    stat.path = span.path;
    ++stat.count;
    stat.duration += span.end - span.begin;
  }
  std::vector<PhaseStat> stats;
  for (auto& [path, stat] : by_path) stats.push_back(std::move(stat));
  return stats;
}

std::vector<Entry> entries_of(const std::string& device, const Accounts& booked, const EnergyCurve& curve,
                              Nanoseconds from, Nanoseconds to, const PhaseTimeline& phases, std::int64_t minute) {
  const auto pieces = phases.pieces(from, to);
  if (pieces.empty()) return {};
  std::vector<std::uint64_t> by_energy;
  std::vector<std::uint64_t> by_time;
  for (const auto& piece : pieces) {
    by_energy.push_back(static_cast<std::uint64_t>(curve.between(piece.begin, piece.end)));
    by_time.push_back(static_cast<std::uint64_t>(piece.end - piece.begin));
  }
  // A curve that is flat here has no shape to follow.
  if (std::ranges::all_of(by_energy, [](auto weight) { return weight == 0; })) by_energy = by_time;

  std::vector<Entry> entries;
  const auto add = [&](Account account, MicroJoules energy, const std::vector<std::uint64_t>& weights) {
    if (energy == 0) return;
    const auto parts = split(energy, weights);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i] > 0) {
        entries.push_back(
            {.device = device, .phase = pieces[i].path, .account = account, .minute = minute, .energy = parts[i]});
      }
    }
  };
  add(Account::busy, booked.busy, by_energy);
  add(Account::idle, booked.idle, by_time);
  add(Account::other, booked.other, by_energy);
  add(Account::unattributed, booked.unattributed, by_time);
  return entries;
}

}  // namespace everywatt
