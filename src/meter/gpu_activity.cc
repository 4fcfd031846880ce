#include "meter/gpu_activity.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace everywatt {
namespace {

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
  if (last_ && snapshot.time <= *last_) return;
  double ours = 0;
  double all = 0;
  std::uint64_t our_contexts = 0;
  std::uint64_t contexts = 0;
  for (const Snapshot::Process& process : snapshot.processes) {
    const Owner owner = owner_of(process.pid);
    saw_unknown_ |= owner == Owner::unknown;
    all += process.worked;
    if (owner == Owner::run) ours += process.worked;
    if (!process.has_context) continue;
    ++contexts;
    if (owner == Owner::run) ++our_contexts;
  }
  if (last_) {
    Activity::Piece piece{.begin = *last_, .end = snapshot.time};
    const auto length = static_cast<double>(piece.end - piece.begin);
    if (snapshot.worked) {
      piece.worked = static_cast<Nanoseconds>(std::clamp(*snapshot.worked, 0.0, 1.0) * length);
      // Without a sample of any process the work is the holders', evenly.
      const double share = all > 0        ? ours / all
                           : contexts > 0 ? static_cast<double>(our_contexts) / static_cast<double>(contexts)
                                          : 0;
      piece.ours = static_cast<Nanoseconds>(share * static_cast<double>(piece.worked));
    }
    piece.is_told = snapshot.worked.has_value() && snapshot.shows_processes;
    // The run is one holder, however many of its processes hold a context.
    const std::uint64_t others = contexts - our_contexts;
    const std::uint64_t holders = others + (our_contexts > 0 ? 1 : 0);
    piece.held = {.ours = our_contexts > 0 ? kWholeDevice / holders : 0, .unreserved = holders == 0 ? kWholeDevice : 0};
    pieces_.push_back(piece);
  }
  last_ = snapshot.time;
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
