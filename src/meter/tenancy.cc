#include "meter/tenancy.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace everywatt {
namespace {

bool is_present(const Tenant& tenant, Nanoseconds from, Nanoseconds to) {
  return tenant.from < to && (!tenant.to || *tenant.to > from);
}

// The outermost run that `tenant` is part of, and how many siblings divide its share on the way up.
struct Outermost {
  const Tenant* run;
  std::uint64_t divisor;
};

Outermost outermost(const Present& present, const Tenant* tenant) {
  std::uint64_t divisor = 1;
  for (std::size_t depth = 0; depth < present.size(); ++depth) {
    const Tenant* parent = parent_of(present, *tenant);
    if (!parent) break;
    divisor *= static_cast<std::uint64_t>(
        std::ranges::count(present, tenant->parent, [](const Tenant* t) { return t->parent; }));
    tenant = parent;
  }
  return {tenant, divisor};
}

// Whoever may write a presence can write one that is its own grandparent.
bool has_outermost(const Present& present, const Tenant* tenant) {
  for (std::size_t depth = 0; tenant && depth < present.size(); ++depth) tenant = parent_of(present, *tenant);
  return !tenant;
}

Present present_in(std::span<const Tenant> tenants, Nanoseconds from, Nanoseconds to) {
  Present all;
  for (const Tenant& tenant : tenants) {
    if (is_present(tenant, from, to)) all.push_back(&tenant);
  }
  Present sound;
  std::ranges::copy_if(all, std::back_inserter(sound), [&](const Tenant* t) { return has_outermost(all, t); });
  std::ranges::sort(sound, {}, [](const Tenant* t) { return t->run; });
  return sound;
}

// The division while the same tenants are there throughout.
IdleShare share_of(std::span<const unsigned> cpus, const Present& present, std::string_view run) {
  Present roots;
  for (const Tenant* tenant : present) {
    if (!parent_of(present, *tenant)) roots.push_back(tenant);
  }
  std::vector<Reservation> reservations;
  for (const Tenant* root : roots) reservations.push_back(root->reservation);
  const IdleWeights weights = idle_weights(cpus, reservations);

  const Tenant* us = find(present, run);
  if (!us) return {.ours = 0, .unreserved = weights.unreserved};
  const Outermost top = outermost(present, us);
  const auto at = std::ranges::find(roots, top.run);
  if (at == roots.end()) return {.ours = 0, .unreserved = weights.unreserved};
  return {.ours = weights.runs[static_cast<std::size_t>(at - roots.begin())] / top.divisor,
          .unreserved = weights.unreserved};
}

}  // namespace

Company company_of(std::string_view run, std::span<const Tenant> tenants, Nanoseconds from, Nanoseconds to) {
  const bool shared = std::ranges::any_of(
      tenants, [&](const Tenant& tenant) { return tenant.run != run && is_present(tenant, from, to); });
  return shared ? Company::shared : Company::alone;
}

const Tenant* find(const Present& present, std::string_view run) {
  const auto found = std::ranges::find(present, run, [](const Tenant* t) -> std::string_view { return t->run; });
  return found == present.end() ? nullptr : *found;
}

const Tenant* parent_of(const Present& present, const Tenant& tenant) {
  return tenant.parent.empty() ? nullptr : find(present, tenant.parent);
}

IdleShare mean_share(std::span<const Tenant> tenants, Nanoseconds from, Nanoseconds to,
                     const std::function<IdleShare(const Present&)>& share_of) {
  std::vector<Nanoseconds> cuts{from, to};
  for (const Tenant& tenant : tenants) {
    for (const Nanoseconds cut : {tenant.from, tenant.to.value_or(to)}) {
      if (cut > from && cut < to) cuts.push_back(cut);
    }
  }
  std::ranges::sort(cuts);
  Wide ours = 0;
  Wide unreserved = 0;
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    const Nanoseconds length = cuts[i] - cuts[i - 1];
    if (length == 0) continue;
    const IdleShare share = share_of(present_in(tenants, cuts[i - 1], cuts[i]));
    ours += static_cast<Wide>(share.ours) * length;
    unreserved += static_cast<Wide>(share.unreserved) * length;
  }
  if (to <= from) return {};
  return {.ours = static_cast<std::uint64_t>(ours / (to - from)),
          .unreserved = static_cast<std::uint64_t>(unreserved / (to - from))};
}

IdleShare idle_share(std::span<const unsigned> cpus, std::span<const Tenant> tenants, std::string_view run,
                     Nanoseconds from, Nanoseconds to) {
  return mean_share(tenants, from, to, [&](const Present& present) { return share_of(cpus, present, run); });
}

}  // namespace everywatt
