#include "meter/gpu_activity.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "model/accounts.h"

namespace everywatt {
namespace {

// Samples of processes come once a second at the slowest (nvmlDeviceGetProcessUtilization).
constexpr Nanoseconds kSamplesHold = kSecond;
// Of a driver that has told before: then nobody knows.
constexpr Nanoseconds kSilence = 2 * kSecond;
// A look tells who worked so long before and after it. A call that hangs and a job that ends lie between two.
constexpr Nanoseconds kNear = 2 * kSecond;
// For a look that sees who works: books wait for a second at most.
constexpr Nanoseconds kPatience = kSecond / 2;
// Of a second, where work is told a sixth of it at a time.
constexpr std::size_t kPiecesOfAWindow = 8;

Nanoseconds middle_of(const Activity::Piece& piece) { return piece.begin + (piece.end - piece.begin) / 2; }

bool is_work(Nanoseconds worked, Nanoseconds length) { return worked > 0 && !is_at_rest(worked, length); }

// Nobody knows how much of it whose work was.
void make_unknown(Activity::Piece& piece) {
  piece.is_told = false;
  piece.worked = piece.ours = 0;
}

}  // namespace

void GpuActivity::take(const Snapshot& snapshot, const OwnerOf& owner_of) {
  if (!snapshot.slices.empty()) return take_slices(snapshot, owner_of);
  if (!last_) last_ = snapshot.told.empty() ? snapshot.time : snapshot.told.front().until;
  note_processes(snapshot, owner_of);
  for (const Snapshot::Told& told : snapshot.told) add(told, snapshot.shows_processes);
  if (!snapshot.tells_work) add({.until = snapshot.time}, false);
  if (snapshot.tells_work && snapshot.time - *last_ > kSilence) add({.until = snapshot.time - kSilence / 2}, false);
  settle(snapshot.time, kPatience);
}

void GpuActivity::note_processes(const Snapshot& snapshot, const OwnerOf& owner_of) {
  Shares shares{.time = snapshot.time};
  Holders now{{}, snapshot.time, {}, snapshot.is_awake};
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
  if (snapshot.lists_processes || holders_.empty()) holders_.push_back(now);
  if (shares.all > 0) {
    shares_ = shares;
  } else if (shares_ && snapshot.time - shares_->time > kSamplesHold) {
    shares_.reset();
  }
}

// As of the look that is nearest: a run's first and last look see no context of its own. Of two that are as near, the
// one that sees one.
const GpuActivity::Holders& GpuActivity::holders_of(Nanoseconds time) {
  const auto is_better = [&](const Holders& next) {
    const Nanoseconds far = std::abs(holders_.front().time - time), next_far = std::abs(next.time - time);
    return next_far == far ? next.ours > 0 : next_far < far;
  };
  while (holders_.size() > 1 && is_better(holders_[1])) {
    if (holders_.front().all > 0) seen_ = holders_.front();
    holders_.pop_front();
  }
  return holders_.front();
}

// The look that saw somebody and is nearest; null: none was near.
const GpuActivity::Holders* GpuActivity::nearest_holders(Nanoseconds time) const {
  const Holders* nearest = seen_ ? &*seen_ : nullptr;
  const auto far = [&](const Holders& holders) { return std::abs(holders.time - time); };
  for (const Holders& next : holders_) {
    if (next.all > 0 && (!nearest || far(next) < far(*nearest))) nearest = &next;
  }
  return nearest && far(*nearest) <= kNear ? nearest : nullptr;
}

// Without a sample of any process the work is the holders', evenly.
void GpuActivity::divide(Activity::Piece& piece, const Holders& holders) {
  if (holders.all > 0)
    piece.ours = static_cast<Nanoseconds>(static_cast<double>(holders.ours) / static_cast<double>(holders.all) *
                                          static_cast<double>(piece.worked));
  piece.held = holders.share;
  piece.is_ready = holders.all > 0 && holders.is_awake;
}

// Since the last, with the contexts of then; what is not told is not known.
void GpuActivity::add(const Snapshot::Told& told, bool is_told) {
  if (told.until <= *last_) return;
  Activity::Piece piece{.begin = *last_, .end = told.until, .is_told = is_told};
  const Nanoseconds length = piece.end - piece.begin;
  piece.worked = static_cast<Nanoseconds>(std::clamp(told.share, 0.0, 1.0) * static_cast<double>(length));
  piece.blur = told.blur;
  const Holders& holders = holders_of(middle_of(piece));
  divide(piece, holders);
  if (shares_) {
    piece.ours = static_cast<Nanoseconds>(shares_->ours / shares_->all * static_cast<double>(piece.worked));
    for (const auto& [pid, part] : shares_->by_process)
      worked_by_process_[pid] += static_cast<Nanoseconds>(part / shares_->all * static_cast<double>(piece.worked));
  }
  const bool is_seen = shares_ || (holders.all > 0 && std::abs(holders.time - middle_of(piece)) <= kNear);
  waiting_.push_back({piece, is_told && !is_seen && is_work(piece.worked, length)});
  last_ = told.until;
}

void GpuActivity::settle(Nanoseconds time, Nanoseconds patience) {
  if (!waiting_.empty()) pieces_.reserve(kPiecesOfAWindow);
  for (; !waiting_.empty(); waiting_.pop_front()) {
    auto& [piece, is_nobodys] = waiting_.front();
    if (const Holders* holders = is_nobodys ? nearest_holders(middle_of(piece)) : nullptr) {
      divide(piece, *holders);
    } else if (is_nobodys) {
      if (time - piece.end < patience) return;
      make_unknown(piece);
    }
    pieces_.push_back(piece);
  }
}

void GpuActivity::finish() {
  if (last_) settle(*last_, 0);
}

// As of now, or of the last look not long ago that saw anybody in it.
void GpuActivity::note_holders_of_slices(const Snapshot& snapshot, const OwnerOf& owner_of) {
  std::vector<Tally> tallies(snapshot.slices.size());
  for (const Snapshot::Process& process : snapshot.processes) {
    const Owner owner = owner_of(process.pid);
    saw_unknown_ |= owner == Owner::unknown;
    ++tallies.at(process.slice).all;
    if (owner == Owner::run) ++tallies.at(process.slice).ours;
  }
  of_slices_.resize(tallies.size());
  for (std::size_t i = 0; i < tallies.size(); ++i) {
    const bool was_held = of_slices_[i].all > 0 && snapshot.time - of_slices_[i].time <= kNear;
    if (tallies[i].all > 0 || !was_held) of_slices_[i] = Holders{tallies[i], snapshot.time, {}, snapshot.is_awake};
  }
}

// A slice works for those who hold a context in it, evenly.
void GpuActivity::take_slices(const Snapshot& snapshot, const OwnerOf& owner_of) {
  note_holders_of_slices(snapshot, owner_of);
  if (!last_) last_ = snapshot.time;
  const Nanoseconds length = snapshot.time - *last_;
  const bool is_due = std::ranges::all_of(
      snapshot.slices, [](const auto& slice) { return !slice.tells_work || slice.worked.has_value(); });
  if (length <= 0 || (!is_due && length < kSilence)) return;
  Activity::Piece piece{.begin = *last_, .end = snapshot.time, .held = {.unreserved = kWholeDevice}};
  double worked = 0, ours = 0;
  bool is_nobodys = false;
  for (std::size_t i = 0; i < snapshot.slices.size(); ++i) {
    const Snapshot::Slice& slice = snapshot.slices[i];
    const double part = slice.share * slice.worked.value_or(0);
    // Who has left works no more, but did.
    const bool is_held = of_slices_[i].time == snapshot.time || part > 0;
    const auto& [mine, all] = is_held ? static_cast<const Tally&>(of_slices_[i]) : Tally{};
    piece.is_told &= slice.worked.has_value() || (all == 0 && !slice.tells_work);
    worked += part;
    if (all == 0) is_nobodys |= is_work(static_cast<Nanoseconds>(part * 1e9), kSecond);
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
  if (is_nobodys) make_unknown(piece);
  pieces_.push_back(piece);
  last_ = snapshot.time;
}

std::vector<Activity::Piece> GpuActivity::close() { return std::exchange(pieces_, {}); }

}  // namespace everywatt
