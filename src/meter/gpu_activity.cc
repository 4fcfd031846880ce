#include "meter/gpu_activity.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace everywatt {
namespace {

// Samples of processes come once a second at the slowest (nvmlDeviceGetProcessUtilization).
constexpr Nanoseconds kSamplesHold = kSecond;

// "3", "GPU-8a1c…" or the beginning of it, as variables name a GPU (CUDA C++ Programming Guide, CUDA_VISIBLE_DEVICES).
bool names(std::string_view word, std::string_view gpu, std::optional<unsigned> index) {
  if (const auto number = parse_u64(word)) return index && *number == *index;
  constexpr std::string_view kPrefix = "gpu:";
  if (gpu.starts_with(kPrefix)) gpu.remove_prefix(kPrefix.size());
  return word.starts_with("GPU-") && gpu.starts_with(word);
}

bool reserves(const Tenant& tenant, std::string_view gpu, std::optional<unsigned> index) {
  return tenant.reservation.gpus && std::ranges::any_of(*tenant.reservation.gpus, [&](const std::string& word) {
           return names(word, gpu, index);
         });
}

}  // namespace

void GpuActivity::take(const Snapshot& snapshot, const OwnerOf& owner_of) {
  const Nanoseconds told = snapshot.time - snapshot.age;
  if (last_ && told <= *last_) return;
  Shares shares{.time = told};
  Holders now{.time = snapshot.time};
  for (const Snapshot::Process& process : snapshot.processes) {
    const Owner owner = owner_of(process.pid);
    saw_unknown_ |= owner == Owner::unknown;
    shares.all += process.worked;
    if (owner == Owner::run) shares.ours += process.worked;
    if (!process.has_context) continue;
    ++now.all;
    if (owner == Owner::run) ++now.ours;
  }
  holders_.push_back(now);
  while (holders_.size() > 1 && holders_.front().time < told) holders_.pop_front();
  if (shares.all > 0) {
    shares_ = shares;
  } else if (shares_ && told - shares_->time > kSamplesHold) {
    shares_.reset();
  }
  if (last_) pieces_.push_back(piece_until(told, snapshot));
  last_ = told;
}

// Since the last reading, with the contexts of then.
Activity::Piece GpuActivity::piece_until(Nanoseconds told, const Snapshot& snapshot) const {
  const Holders& holders = holders_.front();
  Activity::Piece piece{.begin = *last_, .end = told};
  const auto length = static_cast<double>(piece.end - piece.begin);
  if (snapshot.worked) {
    piece.worked = static_cast<Nanoseconds>(std::clamp(*snapshot.worked, 0.0, 1.0) * length);
    // Without a sample of any process the work is the holders', evenly.
    const double share = shares_           ? shares_->ours / shares_->all
                         : holders.all > 0 ? static_cast<double>(holders.ours) / static_cast<double>(holders.all)
                                           : 0;
    piece.ours = static_cast<Nanoseconds>(share * static_cast<double>(piece.worked));
  }
  piece.is_told = snapshot.worked.has_value() && snapshot.shows_processes;
  // The run is one holder, however many of its processes hold a context.
  const std::uint64_t count = holders.all - holders.ours + (holders.ours > 0 ? 1 : 0);
  piece.held = {.ours = holders.ours > 0 ? kWholeDevice / count : 0, .unreserved = count == 0 ? kWholeDevice : 0};
  return piece;
}

std::vector<Activity::Piece> GpuActivity::close() { return std::exchange(pieces_, {}); }

IdleShare gpu_idle_share(const std::string& gpu, std::optional<unsigned> index, const IdleShare& held,
                         std::span<const Tenant> tenants, std::string_view run, Nanoseconds from, Nanoseconds to) {
  std::uint64_t reservers = 0;
  bool is_ours = false;
  for (const Tenant& tenant : tenants) {
    const bool is_present = tenant.from < to && (!tenant.to || *tenant.to > from);
    if (!is_present || !reserves(tenant, gpu, index)) continue;
    is_ours |= tenant.run == run;
    // A nested run stands for the one that it is part of.
    const bool is_nested = std::ranges::any_of(
        tenants, [&](const Tenant& other) { return other.run == tenant.parent && reserves(other, gpu, index); });
    if (!is_nested || tenant.run == run) ++reservers;
  }
  if (reservers == 0) return held;
  return {.ours = is_ours ? kWholeDevice / reservers : 0, .unreserved = 0};
}

}  // namespace everywatt
