#include "meter/activity.h"

#include <algorithm>
#include <utility>

#include "model/microjoules.h"

namespace everywatt {
namespace {

// A tick of the kernel is 10 ms, and which process it finds is chance: what a few
// of them have not shown of a shared host may still come; more is the kernel's mistake.
constexpr Nanoseconds kLongestWait = 50 * kMillisecond;  // on each CPU

}  // namespace

void Activity::take(Nanoseconds time, std::uint64_t worked) {
  if (last_time_ && time <= *last_time_) return;
  if (last_time_) {
    const Nanoseconds capacity = (time - *last_time_) * static_cast<Nanoseconds>(cpus_);
    const Nanoseconds advanced = worked > last_worked_ ? static_cast<Nanoseconds>(worked - last_worked_) : 0;
    pieces_.push_back({.begin = *last_time_, .end = time, .worked = std::min(advanced, capacity)});
  }
  last_time_ = time;
  last_worked_ = std::max(worked, last_worked_);
}

Nanoseconds Activity::worked_since_close() const {
  Nanoseconds worked = 0;
  for (const Piece& piece : pieces_) worked += piece.worked;
  return worked;
}

std::vector<Activity::Piece> Activity::close(Nanoseconds ours, Company company,
                                             const std::function<Nanoseconds(const Piece&)>& ours_within) {
  auto pieces = std::exchange(pieces_, {});
  if (pieces.empty()) {
    waiting_ += ours;
    return pieces;
  }
  pay_back(pieces);
  std::vector<std::uint64_t> weights;
  for (const Piece& piece : pieces) weights.push_back(static_cast<std::uint64_t>(ours_within(piece)));
  const auto parts = split(ours, weights);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    waiting_ += parts[i];
    pieces[i].ours = std::min(waiting_, pieces[i].worked);
    waiting_ -= pieces[i].ours;
  }
  const Nanoseconds patience = company == Company::shared ? kLongestWait * static_cast<Nanoseconds>(cpus_) : 0;
  if (waiting_ > patience) {
    grant(pieces, waiting_ - patience);
    waiting_ = patience;
  }
  return pieces;
}

// Readings that show what was granted before they did are not shown again.
void Activity::pay_back(std::vector<Piece>& pieces) {
  Nanoseconds read = 0;
  for (const Piece& piece : pieces) read += piece.worked;
  const Nanoseconds paid = std::min(owed_, read);
  Nanoseconds left = paid;
  for (Piece& piece : pieces) {
    const auto share = static_cast<Nanoseconds>(read > 0 ? static_cast<Wide>(piece.worked) * paid / read : 0);
    piece.worked -= share;
    left -= share;
  }
  for (Piece& piece : pieces) {
    const Nanoseconds rest = std::min(left, piece.worked);
    piece.worked -= rest;
    left -= rest;
  }
  owed_ -= paid;
}

// Ours that the readings of its time have not shown: where others seem to have
// worked, then, evenly, where nobody does.
void Activity::grant(std::vector<Piece>& pieces, Nanoseconds ours) {
  for (Piece& piece : pieces) {
    const Nanoseconds more = std::min(piece.worked - piece.ours, ours);
    piece.ours += more;
    ours -= more;
  }
  const auto raise = [&](Piece& piece, Nanoseconds by) {
    const Nanoseconds room = (piece.end - piece.begin) * static_cast<Nanoseconds>(cpus_) - piece.worked;
    const Nanoseconds more = std::min({room, by, ours});
    piece.worked += more;
    piece.ours += more;
    owed_ += more;
    ours -= more;
  };
  const Nanoseconds length = pieces.back().end - pieces.front().begin;
  const Wide all = ours;
  for (Piece& piece : pieces) raise(piece, static_cast<Nanoseconds>(all * (piece.end - piece.begin) / length));
  for (Piece& piece : pieces) raise(piece, ours);  // rounding, and what did not fit
  // A sensor that stands still (a recorded machine) must not pile it up for ever.
  owed_ = std::min(owed_, kSecond * static_cast<Nanoseconds>(cpus_));
}

}  // namespace everywatt
