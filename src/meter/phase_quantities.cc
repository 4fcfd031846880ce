#include "meter/phase_quantities.h"

#include <cmath>

namespace everywatt {

void PhaseQuantities::add(const Look& look, const RunPhases& phases) {
  add(look, phases.parts(look.device, look.from, look.to), phases);
}

void PhaseQuantities::add(const Look& look, const ProcessKey& process, const RunPhases& phases) {
  add(look, phases.parts_of(process, look.from, look.to), phases);
}

void PhaseQuantities::add(const Look& look, const std::vector<RunPhases::Part>& parts, const RunPhases& phases) {
  ByPath& sums = sums_of(look);
  const auto length = static_cast<double>(look.to - look.from);
  const auto add_to = [&](std::uint32_t path, double share) {
    Sum& sum = sums[path];
    sum.amount += look.amount * share;
    sum.observed += length * share;
    sum.resolved += length * share * share;
  };
  // Of a run without phases, each second.
  if (parts.size() == 1 && parts.front().path == 0) return add_to(0, parts.front().share);
  std::map<std::uint32_t, double> within;  // a phase is what lies within it, too
  for (const RunPhases::Part& part : parts) {
    std::uint32_t path = part.path;
    within[path] += part.share;
    while (path != 0 && (path = phases.outer_of(path)) != 0) within[path] += part.share;
  }
  for (const auto& [path, share] : within) add_to(path, share);
}

PhaseQuantities::ByPath& PhaseQuantities::sums_of(const Look& look) {
  if (!last_ || last_->first != look.device) {
    auto device = sums_.find(look.device);
    if (device == sums_.end()) device = sums_.emplace(look.device, ByName{}).first;
    last_ = &*device;
  }
  ByName& names = last_->second;
  auto name = names.find(look.name);
  if (name == names.end()) name = names.emplace(look.name, ByPath{}).first;
  return name->second;
}

void PhaseQuantities::begin_work() {
  for (auto& [device, names] : sums_) {
    for (auto& [name, sums] : names) {
      const auto outside = sums.find(0);
      if (outside == sums.end()) continue;
      sums[RunPhases::kStartupPath] = outside->second;
      outside->second = {};  // what was told of it is taken back
    }
  }
}

std::vector<PhaseQuantity> PhaseQuantities::records(const RunPhases& phases) const {
  std::vector<PhaseQuantity> records;
  for (const auto& [device, names] : sums_) {
    for (const auto& [name, sums] : names) {
      for (const auto& [path, sum] : sums) {
        records.push_back({.path = phases.path(path),
                           .device = device,
                           .name = name,
                           .sum = sum.amount,
                           .observed = std::llround(sum.observed),
                           .resolved = std::llround(sum.resolved)});
      }
    }
  }
  return records;
}

}  // namespace everywatt
