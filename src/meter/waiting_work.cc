// The part of a device's books that keeps what was told of work until the
// elected curve has passed it, and hands it on window by window.
#include <algorithm>

#include "meter/device_books.h"

namespace everywatt {
namespace {

// The first word of a GPU's work is of a sixth of a second, and comes up to a reading after it: what precedes it by no
// more is taken to be like it.
constexpr Nanoseconds kBeforeFirstWord = 350 * kMillisecond;

// The stretch of a piece, or one that is like it.
Activity::Piece part_of(const Activity::Piece& piece, Nanoseconds from, Nanoseconds to) {
  const auto part = [&](Nanoseconds value) {
    return static_cast<Nanoseconds>(static_cast<Wide>(value) * std::max<Nanoseconds>(to - from, 0) /
                                    std::max<Nanoseconds>(piece.end - piece.begin, 1));
  };
  Activity::Piece stretch = piece;
  stretch.begin = from;
  stretch.end = std::max(from, to);
  stretch.worked = part(piece.worked);
  stretch.ours = part(piece.ours);
  return stretch;
}

Activity::Piece from_begin(const Activity::Piece& first, Nanoseconds begin) {
  const Nanoseconds late = first.begin - begin;
  return 0 < late && late <= kBeforeFirstWord ? part_of(first, begin, first.end) : first;
}

// A GPU's work is told some time after its energy: of the energy before the first word
// of it nothing is known, unless that word is of most of the time in which it was seen.
void fill_up(Activity::Piece& window, Wide told_for, Nanoseconds seen_from) {
  const Wide length = window.end - std::max(window.begin, seen_from);
  if (told_for >= length) return;
  window.is_told &= 2 * told_for > length;
  if (told_for <= 0) return;
  window.worked = static_cast<Nanoseconds>(window.worked * length / told_for);
  window.ours = static_cast<Nanoseconds>(window.ours * length / told_for);
}

}  // namespace

// What is told of a GPU's work is some tenths of a second old: what was before the run is cut off, and what was
// before the first and after the last that is told is taken to be like these.
void DeviceBooks::take_work(const Work& work, Nanoseconds until, Close close) {
  for (Activity::Piece piece : work) {
    if (is_gpu() && piece.begin < until_) piece = part_of(piece, until_, piece.end);
    if (is_gpu() && until_ == start_ && pending_.empty()) piece = from_begin(piece, seen_from());
    if (piece.end <= piece.begin) continue;
    if (gpu_floor_) gpu_floor_->take(piece);
    pending_.push_back(piece);
  }
  if (!is_gpu() || close != Close::end || pending_.empty() || pending_.back().end >= until) return;
  const Activity::Piece& last = pending_.back();
  pending_.push_back(part_of(last, last.end, until));
}

// Of what is not booked yet: from where on its energy is known.
Nanoseconds DeviceBooks::seen_from() const {
  const auto& points = elected().curve().points();
  return points.empty() ? until_ : std::max(until_, points.front().time);
}

Nanoseconds DeviceBooks::reach() const {
  const EnergyCurve& curve = elected().curve();
  const Nanoseconds reached = curve.empty() ? until_ : curve.points().back().time;
  // Work that was not told yet is waited for, but not for ever.
  const bool is_behind = is_gpu() && !pending_.empty() && reached - pending_.back().end < kSecond;
  return is_behind ? std::min(reached, pending_.back().end) : reached;
}

// The pending work up to `to`; a piece that reaches beyond is divided by time.
Activity::Piece DeviceBooks::take_pending(Nanoseconds to) {
  Activity::Piece sum{.begin = until_, .end = to};
  Wide held_ours = 0, held_nobody = 0, held_for = 0;
  const auto hold = [&](const Activity::Piece& piece, Nanoseconds length, Nanoseconds worked) {
    sum.is_told &= piece.is_told;
    if (length <= 0) return;
    held_ours += static_cast<Wide>(piece.held.ours) * length;
    held_nobody += static_cast<Wide>(piece.held.unreserved) * length;
    held_for += length;
    if (!piece.is_ready) sum.rested += std::max<Nanoseconds>(0, length - worked);
  };
  std::size_t whole = 0;
  for (Activity::Piece& piece : pending_) {
    if (piece.end > to) {
      if (piece.begin >= to) break;
      const Activity::Piece before = part_of(piece, piece.begin, to);
      sum.worked += before.worked;
      sum.ours += before.ours;
      hold(piece, to - std::max(piece.begin, until_), before.worked);
      piece.begin = to;
      piece.worked -= before.worked;
      piece.ours -= before.ours;
      break;
    }
    sum.worked += piece.worked;
    sum.ours += piece.ours;
    hold(piece, piece.end - std::max(piece.begin, until_), piece.worked);
    ++whole;
  }
  if (is_gpu()) fill_up(sum, held_for, seen_from());
  if (held_for > 0) {
    sum.held = {.ours = static_cast<std::uint64_t>(held_ours / held_for),
                .unreserved = static_cast<std::uint64_t>(held_nobody / held_for)};
  }
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(whole));
  return sum;
}

}  // namespace everywatt
