#include "meter/activity.h"

#include <algorithm>
#include <utility>

#include "model/microjoules.h"

namespace everywatt {

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

std::vector<Activity::Piece> Activity::close(Nanoseconds ours) {
  auto pieces = std::exchange(pieces_, {});
  if (pieces.empty()) return pieces;
  const Nanoseconds length = pieces.back().end - pieces.front().begin;
  const Nanoseconds capacity = length * static_cast<Nanoseconds>(cpus_);
  Nanoseconds read = 0;
  for (const Piece& piece : pieces) read += piece.worked;
  const Nanoseconds least = std::min(ours, capacity);
  const Nanoseconds worked = std::max(least, read - std::min(debt_, read));
  // What was granted beyond the readings is owed; a sensor that stands still
  // (a recorded machine) must not pile it up for ever.
  debt_ = std::clamp<Nanoseconds>(debt_ + worked - read, 0, kSecond * static_cast<Nanoseconds>(cpus_));

  Nanoseconds left = worked;
  for (Piece& piece : pieces) {
    const bool scale = read > 0 && worked <= read;
    const Nanoseconds piece_length = piece.end - piece.begin;
    const Wide share = scale ? static_cast<Wide>(piece.worked) * worked / read
                             : piece.worked + static_cast<Wide>(worked - read) * piece_length / length;
    piece.worked = std::min({static_cast<Nanoseconds>(share), left, piece_length * static_cast<Nanoseconds>(cpus_)});
    left -= piece.worked;
  }
  // Rounding, and pieces that were full: what is left goes where there is room.
  for (Piece& piece : pieces) {
    const Nanoseconds room = (piece.end - piece.begin) * static_cast<Nanoseconds>(cpus_) - piece.worked;
    const Nanoseconds more = std::min(room, left);
    piece.worked += more;
    left -= more;
  }
  return pieces;
}

}  // namespace everywatt
