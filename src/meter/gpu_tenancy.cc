#include "meter/gpu_tenancy.h"

#include <algorithm>
#include <iterator>

#include "model/gpu_name.h"

namespace everywatt {
namespace {

using Names = std::vector<std::string>;

// Of a GPU, out of kWholeDevice.
std::uint64_t part_of(const Device& gpu, const Names& names) {
  const auto is_named = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  if (is_named(uuid_of(gpu.id))) return kWholeDevice;
  double share = 0;
  for (const Device::Slice& slice : gpu.slices) {
    if (std::ranges::any_of(slice.names, is_named)) share += slice.share;
  }
  return static_cast<std::uint64_t>(std::min(share, 1.0) * static_cast<double>(kWholeDevice));
}

// Who reserves how much of one GPU while the same tenants are there.
class GpuTenancy {
 public:
  GpuTenancy(const Device& gpu, const Present& present) : gpu_{gpu}, present_{present} {}

  // By all who are part of no other, each by itself.
  [[nodiscard]] std::uint64_t reserved() const { return reserved_within(nullptr); }

  // Where more is reserved than there is, all get the same part of what they reserve.
  [[nodiscard]] std::uint64_t share_of(const Tenant& tenant) const {
    const Tenant* parent = parent_of(present_, tenant);
    const Wide had = parent ? share_of(*parent) : kWholeDevice;
    const std::uint64_t there = parent ? reserved_by(*parent) : kWholeDevice;
    if (there == 0) return 0;
    return static_cast<std::uint64_t>(had * reserved_by(tenant) / std::max(there, reserved_within(parent)));
  }

 private:
  [[nodiscard]] std::uint64_t reserved_within(const Tenant* parent) const {
    std::uint64_t sum = 0;
    for (const Tenant* tenant : present_) {
      if (parent_of(present_, *tenant) == parent) sum += reserved_by(*tenant);
    }
    return sum;
  }
  [[nodiscard]] std::uint64_t reserved_by(const Tenant& tenant) const {
    Names names;
    add_names(tenant, names);
    return part_of(gpu_, names);
  }
  // With those of the runs that are nested in it.
  void add_names(const Tenant& tenant, Names& names) const {
    const Tenant* who = &tenant;
    while (who && !who->reservation.gpus) who = parent_of(present_, *who);
    if (who) std::ranges::copy(*who->reservation.gpus, std::back_inserter(names));
    for (const Tenant* other : present_) {
      if (parent_of(present_, *other) == &tenant) add_names(*other, names);
    }
  }

  const Device& gpu_;
  const Present& present_;
};

}  // namespace

IdleShare gpu_idle_share(const Device& gpu, const IdleShare& held, std::span<const Tenant> tenants,
                         std::string_view run, Nanoseconds from, Nanoseconds to) {
  return mean_share(tenants, from, to, [&](const Present& present) -> IdleShare {
    const GpuTenancy tenancy{gpu, present};
    const std::uint64_t reserved = tenancy.reserved();
    if (reserved == 0) return held;
    const Tenant* us = find(present, run);
    const std::uint64_t ours = us ? tenancy.share_of(*us) : 0;
    if (reserved >= kWholeDevice) return {.ours = ours, .unreserved = 0};
    // What is left of a GPU of which slices are reserved is theirs who hold a context in the rest.
    const std::uint64_t rest = kWholeDevice - reserved;
    return {.ours = ours > 0 ? ours : std::min(held.ours, rest), .unreserved = std::min(held.unreserved, rest)};
  });
}

}  // namespace everywatt
