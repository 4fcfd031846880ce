#include "meter/tenancy.h"

#include <algorithm>
#include <vector>

namespace everywatt {
namespace {

bool is_present(const Tenant& tenant, Nanoseconds from, Nanoseconds to) {
  return tenant.from < to && (!tenant.to || *tenant.to > from);
}

const Tenant* find(const std::vector<const Tenant*>& present, std::string_view run) {
  const auto found = std::ranges::find(present, run, [](const Tenant* t) -> std::string_view { return t->run; });
  return found == present.end() ? nullptr : *found;
}

// The outermost run that `tenant` is part of, and how many siblings divide its share on the way up.
struct Outermost {
  const Tenant* run;
  std::uint64_t divisor;
};

Outermost outermost(const std::vector<const Tenant*>& present, const Tenant* tenant) {
  std::uint64_t divisor = 1;
  for (std::size_t depth = 0; depth < present.size(); ++depth) {
    const Tenant* parent = tenant->parent.empty() ? nullptr : find(present, tenant->parent);
    if (!parent) break;
    divisor *= static_cast<std::uint64_t>(
        std::ranges::count(present, tenant->parent, [](const Tenant* t) { return t->parent; }));
    tenant = parent;
  }
  return {tenant, divisor};
}

// The division while the same tenants are there throughout.
IdleShare share_of(std::span<const unsigned> cpus, const std::vector<const Tenant*>& present, std::string_view run) {
  std::vector<const Tenant*> roots;
  for (const Tenant* tenant : present) {
    if (tenant->parent.empty() || !find(present, tenant->parent)) roots.push_back(tenant);
  }
  std::ranges::sort(roots, {}, [](const Tenant* t) { return t->run; });
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

IdleShare idle_share(std::span<const unsigned> cpus, std::span<const Tenant> tenants, std::string_view run,
                     Nanoseconds from, Nanoseconds to) {
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
    std::vector<const Tenant*> present;
    for (const Tenant& tenant : tenants) {
      if (is_present(tenant, cuts[i - 1], cuts[i])) present.push_back(&tenant);
    }
    const IdleShare share = share_of(cpus, present, run);
    ours += static_cast<Wide>(share.ours) * length;
    unreserved += static_cast<Wide>(share.unreserved) * length;
  }
  if (to <= from) return {};
  return {.ours = static_cast<std::uint64_t>(ours / (to - from)),
          .unreserved = static_cast<std::uint64_t>(unreserved / (to - from))};
}

}  // namespace everywatt
