#include "meter/told_work.h"

#include <algorithm>

namespace everywatt {
namespace {

constexpr double kQuiet = 0.02;                 // utilisation up to which nobody worked; as near to 1 it is all work
constexpr Nanoseconds kMostKept = 8 * kSecond;  // while what it is set against does not come

double share_of(const Activity::Piece& piece) {
  return static_cast<double>(piece.worked) / static_cast<double>(piece.end - piece.begin);
}

}  // namespace

bool ToldWork::take(const Activity::Piece& piece) {
  if (!told_.empty() && (piece.begin != end() || !piece.is_told)) told_.clear();
  if (!piece.is_told || piece.end <= piece.begin) return false;
  const bool follows = !told_.empty();
  const double before = follows ? told_.back().worked_before + static_cast<double>(last().worked) : 0;
  told_.push_back({piece, before});
  forget_before(end() - kMostKept);
  return follows;
}

void ToldWork::forget_before(Nanoseconds time) {
  if (told_.empty()) return;
  const auto kept =
      std::find_if(told_.begin(), told_.end() - 1, [&](const Told& told) { return told.piece.end >= time; });
  told_.erase(told_.begin(), kept);
}

bool ToldWork::is_quiet(Nanoseconds from, Nanoseconds to) const {
  return from >= begin() && std::ranges::all_of(told_, [&](const Told& told) {
           return told.piece.end <= from || told.piece.begin >= to || share_of(told.piece) <= kQuiet;
         });
}

bool ToldWork::is_ready(Nanoseconds from, Nanoseconds to) const {
  return std::ranges::all_of(
      told_, [&](const Told& told) { return told.piece.end <= from || told.piece.begin >= to || told.piece.is_ready; });
}

ToldWork::Touch ToldWork::touch(std::ptrdiff_t place) const {
  if (place < 0 || place >= std::ssize(told_)) return Touch::nothing;
  const double share = share_of(told_[static_cast<std::size_t>(place)].piece);
  if (share <= kQuiet) return Touch::quiet;
  return share >= 1 - kQuiet ? Touch::work : Touch::both;
}

// What lies at an edge of a piece. Two pieces with something of both, work before and behind, share one pause.
ToldWork::Touch ToldWork::touched_by(std::ptrdiff_t place, std::ptrdiff_t step) const {
  const Touch next = touch(place + step);
  if (next != Touch::both) return next;
  const Touch behind = touch(place + 2 * step);
  if (behind == Touch::work) return Touch::quiet;
  return behind == Touch::quiet ? Touch::work : Touch::nothing;
}

ToldWork::Part ToldWork::until(Nanoseconds time) const {
  const auto next = std::ranges::upper_bound(told_, time, {}, [](const Told& told) { return told.piece.begin; });
  const auto told = next == told_.begin() ? next : next - 1;
  const Activity::Piece& piece = told->piece;
  const Nanoseconds length = piece.end - piece.begin;
  const Nanoseconds into = std::clamp(time, piece.begin, piece.end) - piece.begin;
  // Were all work at the beginning of the piece; were it at its end.
  const Nanoseconds first = std::min(into, piece.worked);
  const Nanoseconds last = std::max<Nanoseconds>(0, into - (length - piece.worked));
  const std::ptrdiff_t place = told - told_.begin();
  if (piece.blur == 0 && first != last) {
    const Touch before = touched_by(place, -1), after = touched_by(place, 1);
    if (before == Touch::work && after == Touch::quiet) return {told->worked_before + static_cast<double>(first), 0};
    if (before == Touch::quiet && after == Touch::work) return {told->worked_before + static_cast<double>(last), 0};
  }
  // Evenly, give or take half of what can be.
  const double evenly = static_cast<double>(piece.worked) * static_cast<double>(into) / static_cast<double>(length);
  return {told->worked_before + evenly, static_cast<double>(first - last) / 2};
}

}  // namespace everywatt
