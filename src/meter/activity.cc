#include "meter/activity.h"

#include <algorithm>

#include "model/microjoules.h"

namespace everywatt {
namespace {

// A tick of the kernel is 10 ms, and which process it finds is chance: what a few
// of them have not shown of a shared host may still come; more is the kernel's mistake.
constexpr Nanoseconds kLongestWait = 50 * kMillisecond;  // on each CPU

}  // namespace

void Activity::take(Nanoseconds time, std::uint64_t worked) {
  if (readings_.empty()) {
    readings_.push_back({time, worked});
  } else if (time > readings_.back().time) {
    readings_.push_back({time, std::max(worked, readings_.back().worked)});
  }
}

void Activity::take_between(Nanoseconds time, std::uint64_t worked) {
  const auto next = std::ranges::upper_bound(readings_, time, {}, &Reading::time);
  if (next == readings_.begin() || next == readings_.end()) return;
  const Reading& before = *(next - 1);
  if (before.time == time) return;
  readings_.insert(next, {time, std::clamp(worked, before.worked, next->worked)});
}

std::vector<Activity::Piece> Activity::take_pieces() {
  std::vector<Piece> pieces;
  for (std::size_t i = 1; i < readings_.size(); ++i) {
    const Nanoseconds capacity = (readings_[i].time - readings_[i - 1].time) * static_cast<Nanoseconds>(cpus_);
    const auto advanced = static_cast<Nanoseconds>(readings_[i].worked - readings_[i - 1].worked);
    pieces.push_back(
        {.begin = readings_[i - 1].time, .end = readings_[i].time, .worked = std::min(advanced, capacity)});
  }
  if (readings_.size() > 1) readings_.erase(readings_.begin(), readings_.end() - 1);
  return pieces;
}

std::vector<Activity::Piece> Activity::close(Nanoseconds ours, Company company,
                                             const std::function<Nanoseconds(const Piece&)>& ours_within) {
  auto pieces = take_pieces();
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
