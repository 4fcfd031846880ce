#include "meter/gpu_activity.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace everywatt {
namespace {

// Samples of processes come once a second at the slowest (nvmlDeviceGetProcessUtilization).
constexpr Nanoseconds kSamplesHold = kSecond;
// Of a driver that has told before: then nobody knows.
constexpr Nanoseconds kSilence = 2 * kSecond;

}  // namespace

void GpuActivity::take(const Snapshot& snapshot, const OwnerOf& owner_of) {
  if (!snapshot.slices.empty()) return take_slices(snapshot, owner_of);
  if (!last_) last_ = snapshot.told.empty() ? snapshot.time : snapshot.told.front().until;
  note_processes(snapshot, owner_of);
  for (const Snapshot::Told& told : snapshot.told) add(told, snapshot.shows_processes);
  if (!snapshot.tells_work) add({.until = snapshot.time}, false);
  if (snapshot.tells_work && snapshot.time - *last_ > kSilence) add({.until = snapshot.time - kSilence / 2}, false);
}

void GpuActivity::note_processes(const Snapshot& snapshot, const OwnerOf& owner_of) {
  Shares shares{.time = snapshot.time};
  Holders now{.time = snapshot.time, .is_awake = snapshot.is_awake};
  for (const Snapshot::Process& process : snapshot.processes) {
    const Owner owner = owner_of(process.pid);
    saw_unknown_ |= owner == Owner::unknown;
    shares.all += process.worked;
    if (owner == Owner::run && process.worked > 0) {
      shares.ours += process.worked;
      shares.by_process[process.pid] = process.worked;
    }
    if (!process.has_context) continue;
    ++now.all;
    if (owner == Owner::run) ++now.ours;
  }
  // The run is one holder, however many of its processes hold a context.
  const std::uint64_t count = now.all - now.ours + (now.ours > 0 ? 1 : 0);
  now.share = {.ours = now.ours > 0 ? kWholeDevice / count : 0, .unreserved = count == 0 ? kWholeDevice : 0};
  holders_.push_back(now);
  if (shares.all > 0) {
    shares_ = shares;
  } else if (shares_ && snapshot.time - shares_->time > kSamplesHold) {
    shares_.reset();
  }
}

// As of the look that is nearest to the middle of the stretch: a run's first and last look see no context of its own.
// Of two that are as near, the one that sees one.
const GpuActivity::Holders& GpuActivity::holders_of(Nanoseconds begin, Nanoseconds until) {
  const Nanoseconds middle = begin + (until - begin) / 2;
  const auto is_better = [&](const Holders& next) {
    const Nanoseconds far = std::abs(holders_.front().time - middle), next_far = std::abs(next.time - middle);
    return next_far == far ? next.ours > 0 : next_far < far;
  };
  while (holders_.size() > 1 && is_better(holders_[1])) holders_.pop_front();
  return holders_.front();
}

// Since the last, with the contexts of then; what is not told is not known.
void GpuActivity::add(const Snapshot::Told& told, bool is_told) {
  if (told.until <= *last_) return;
  const Holders& holders = holders_of(*last_, told.until);
  Activity::Piece piece{.begin = *last_, .end = told.until, .is_told = is_told};
  piece.worked =
      static_cast<Nanoseconds>(std::clamp(told.share, 0.0, 1.0) * static_cast<double>(piece.end - piece.begin));
  // Without a sample of any process the work is the holders', evenly.
  const double share = shares_           ? shares_->ours / shares_->all
                       : holders.all > 0 ? static_cast<double>(holders.ours) / static_cast<double>(holders.all)
                                         : 0;
  piece.ours = static_cast<Nanoseconds>(share * static_cast<double>(piece.worked));
  if (shares_) {
    for (const auto& [pid, part] : shares_->by_process)
      worked_by_process_[pid] += static_cast<Nanoseconds>(part / shares_->all * static_cast<double>(piece.worked));
  }
  piece.held = holders.share;
  piece.is_ready = holders.all > 0 && holders.is_awake;
  piece.blur = told.blur;
  pieces_.push_back(piece);
  last_ = told.until;
}

// A slice works for those who hold a context in it, evenly.
void GpuActivity::take_slices(const Snapshot& snapshot, const OwnerOf& owner_of) {
  struct Tally {
    std::uint64_t ours = 0;
    std::uint64_t all = 0;
  };
  std::vector<Tally> tallies(snapshot.slices.size());
  for (const Snapshot::Process& process : snapshot.processes) {
    const Owner owner = owner_of(process.pid);
    saw_unknown_ |= owner == Owner::unknown;
    ++tallies.at(process.slice).all;
    if (owner == Owner::run) ++tallies.at(process.slice).ours;
  }
  if (!last_) last_ = snapshot.time;
  const Nanoseconds length = snapshot.time - *last_;
  const bool is_due = std::ranges::all_of(
      snapshot.slices, [](const auto& slice) { return !slice.tells_work || slice.worked.has_value(); });
  if (length <= 0 || (!is_due && length < kSilence)) return;
  Activity::Piece piece{.begin = *last_, .end = snapshot.time, .held = {.unreserved = kWholeDevice}};
  double worked = 0, ours = 0;
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    const auto& [mine, all] = tallies[i];
    const Snapshot::Slice& slice = snapshot.slices[i];
    piece.is_told &= slice.worked.has_value() || (all == 0 && !slice.tells_work);
    const double part = slice.share * slice.worked.value_or(0);
    worked += part;
    if (all == 0) continue;
    ours += part * static_cast<double>(mine) / static_cast<double>(all);
    const std::uint64_t holders = all - mine + (mine > 0 ? 1 : 0);
    const auto weight = static_cast<std::uint64_t>(slice.share * static_cast<double>(kWholeDevice));
    if (mine > 0) piece.held.ours += weight / holders;
    piece.held.unreserved -= std::min(weight, piece.held.unreserved);
  }
  piece.worked = static_cast<Nanoseconds>(std::min(worked, 1.0) * static_cast<double>(length));
  piece.ours = std::min(piece.worked, static_cast<Nanoseconds>(ours * static_cast<double>(length)));
  piece.is_ready = piece.held.unreserved < kWholeDevice && snapshot.is_awake;
  pieces_.push_back(piece);
  last_ = snapshot.time;
}

std::vector<Activity::Piece> GpuActivity::close() { return std::exchange(pieces_, {}); }

}  // namespace everywatt
