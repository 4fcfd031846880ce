#include "meter/election.h"

#include <algorithm>
#include <map>

#include "model/gpu_name.h"

namespace everywatt {
namespace {

// All that the sources say of one device.
struct Candidate {
  Device device;
  std::vector<ChannelPlace> energy;
  std::vector<ChannelPlace> activity;
};

void merge_into(Device& known, const Device& more) {
  if (known.model.empty()) known.model = more.model;
  if (!known.parent) known.parent = more.parent;
  if (known.follows.empty()) known.follows = more.follows;
  if (known.cpus.empty()) known.cpus = more.cpus;
  if (!known.index) known.index = more.index;
  known.includes_memory |= more.includes_memory;
}

std::map<std::string, Candidate> merge(std::span<const Inventory* const> inventories) {
  std::map<std::string, Candidate> merged;
  for (std::size_t source = 0; source < inventories.size(); ++source) {
    for (const Device& device : inventories[source]->devices) {
      auto [at, is_new] = merged.try_emplace(device.id, Candidate{.device = device, .energy = {}, .activity = {}});
      if (!is_new) merge_into(at->second.device, device);
    }
    const auto& channels = inventories[source]->channels;
    for (std::uint32_t i = 0; i < channels.size(); ++i) {
      const auto at = merged.find(channels[i].device);
      if (at == merged.end()) continue;
      const ChannelKind kind = channels[i].kind;
      if (kind == ChannelKind::utilisation || kind == ChannelKind::context) continue;  // the meter's, not elected
      (kind == ChannelKind::busy_time ? at->second.activity : at->second.energy).push_back({source, i});
    }
  }
  return merged;
}

bool is_component(DeviceKind kind) {
  return kind == DeviceKind::package || kind == DeviceKind::dram || kind == DeviceKind::memory ||
         kind == DeviceKind::gpu;
}

// A GPU's own memory is inside the GPU.
bool is_part_of_gpu(const Device& device) {
  return device.kind == DeviceKind::memory && device.parent && device.parent->starts_with("gpu:");
}

bool is_node_meter(DeviceKind kind) { return kind == DeviceKind::node || kind == DeviceKind::psys; }

class Electorate {
 public:
  Electorate(std::span<const Inventory* const> inventories, Boundary boundary)
      : inventories_{inventories}, boundary_{boundary}, merged_{merge(inventories)} {}

  Election run() {
    for (auto& [id, candidate] : merged_) {
      std::ranges::stable_sort(candidate.energy, {}, [&](const ChannelPlace& p) { return preference(p); });
    }
    Election election;
    for (auto& [id, candidate] : merged_) {
      if (!candidate.activity.empty()) election.activity.push_back({candidate.device, false, candidate.activity});
      if (candidate.energy.empty()) {
        if (auto why = why_unmetered(id, candidate))
          election.devices.push_back({candidate.device, is_counted(candidate), {}, *std::move(why)});
        continue;
      }
      if (auto why = set_aside(candidate)) {
        election.excluded.push_back({id + " (" + channel(candidate.energy.front()).sensor + ")", *why});
        continue;
      }
      election.devices.push_back({candidate.device, is_counted(candidate), candidate.energy});
    }
    std::ranges::stable_sort(election.devices, {}, [](const Elected& e) { return e.device.kind; });
    for (const Inventory* inventory : inventories_) {
      for (const std::string& note : inventory->notes) {
        const auto colon = note.find(": ");
        const bool is_listed = std::ranges::any_of(election.devices, [&](const Elected& elected) {
          return elected.candidates.empty() && note.starts_with(elected.device.id + ": ");
        });
        if (is_listed) continue;
        election.excluded.push_back({note.substr(0, colon), colon == note.npos ? "" : note.substr(colon + 2)});
      }
    }
    return election;
  }

 private:
  const Channel& channel(ChannelPlace place) const { return inventories_[place.source]->channels[place.channel]; }

  // Counter before integration before model; the source's own rank decides between equals.
  std::pair<Method, int> preference(ChannelPlace place) const { return {channel(place).method, channel(place).rank}; }

  bool has_sensor(const Candidate& candidate) const {
    return !candidate.energy.empty() && channel(candidate.energy.front()).kind != ChannelKind::model;
  }

  bool any_sensed(auto matches) const {
    return std::ranges::any_of(merged_,
                               [&](const auto& entry) { return matches(entry.second) && has_sensor(entry.second); });
  }

  // A GPU is on the bill though nothing tells what it draws: its source says why.
  std::optional<std::string> why_unmetered(const std::string& id, const Candidate& candidate) const {
    if (candidate.device.kind != DeviceKind::gpu) return std::nullopt;
    for (const Inventory* inventory : inventories_) {
      for (const std::string& note : inventory->notes) {
        if (note.starts_with(id + ": ")) return note.substr(id.size() + 2);
      }
    }
    return std::nullopt;
  }

  // A meter that holds the component's energy already, so that a model of it would count twice.
  std::optional<std::string> set_aside(const Candidate& candidate) const {
    if (is_gpu_module(candidate.device) &&
        any_sensed([](const Candidate& c) { return c.device.kind == DeviceKind::module && !is_gpu_module(c.device); }))
      return "the modules have meters that say which is which";
    if (has_sensor(candidate)) return std::nullopt;
    if (candidate.device.kind == DeviceKind::memory) {
      if (any_sensed([](const Candidate& c) { return c.device.kind == DeviceKind::dram; }))
        return "a dram meter exists";
      if (any_sensed([](const Candidate& c) { return c.device.kind == DeviceKind::module; }))
        return "the module meter holds the memory's energy";
      if (any_sensed(
              [](const Candidate& c) { return c.device.kind == DeviceKind::package && c.device.includes_memory; }))
        return "the package meter holds the memory's energy";
    }
    if (candidate.device.kind == DeviceKind::package &&
        any_sensed([&](const Candidate& c) { return c.device.kind == DeviceKind::module && holds(c, candidate); }))
      return "the module meter holds its energy";
    return std::nullopt;
  }

  // A part that says nothing of where it lies may lie on a GPU's module, whose library does not say which processor
  // lies there: never added to it.
  static bool holds(const Candidate& module, const Candidate& part) {
    if (part.device.parent == module.device.id) return true;
    return is_gpu_module(module.device) && !part.device.parent && is_component(part.device.kind);
  }

  // A superchip's module holds a processor and a GPU: only where both have
  // meters of their own can the sum do without the module's.
  bool is_separable(const Candidate& module) const {
    return any_sensed([&](const Candidate& c) { return c.device.kind == DeviceKind::package && holds(module, c); }) &&
           any_sensed([&](const Candidate& c) { return c.device.kind == DeviceKind::gpu; });
  }

  bool is_inside_counted_module(const Candidate& part) const {
    return any_sensed([&](const Candidate& c) {
      return c.device.kind == DeviceKind::module && holds(c, part) && !set_aside(c) && !is_separable(c);
    });
  }

  bool is_counted(const Candidate& candidate) const {
    const DeviceKind kind = candidate.device.kind;
    const bool has_node_meter = any_sensed([](const Candidate& c) { return is_node_meter(c.device.kind); });
    if (boundary_ == Boundary::node && has_node_meter) return counts_as_node(candidate);
    if (kind == DeviceKind::module) return !is_separable(candidate);
    return is_component(kind) && !is_part_of_gpu(candidate.device) && !is_inside_counted_module(candidate);
  }

  // Of several node meters the widest counts: the node's own before psys.
  bool counts_as_node(const Candidate& candidate) const {
    if (candidate.device.kind == DeviceKind::node) return true;
    return candidate.device.kind == DeviceKind::psys &&
           !any_sensed([](const Candidate& c) { return c.device.kind == DeviceKind::node; });
  }

  std::span<const Inventory* const> inventories_;
  Boundary boundary_;
  std::map<std::string, Candidate> merged_;
};

}  // namespace

Election elect(std::span<const Inventory* const> inventories, Boundary boundary) {
  return Electorate{inventories, boundary}.run();
}

}  // namespace everywatt
