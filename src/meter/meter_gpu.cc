// The part of the meter that hears what GPUs tell of their work, and for whom.
#include <algorithm>

#include "meter/meter.h"

namespace everywatt {
namespace {

// NVML's P0 to P4 are of work, with clocks up; from P5 on they are lowered.
constexpr std::string_view kPerformanceState = "performance_state";
constexpr std::uint64_t kLowestAwake = 4;
// Work is told a sixth of a second at a time.
constexpr Nanoseconds kShortestStartup = kSecond / 6;

}  // namespace

void Meter::find_gpus(std::span<const Inventory* const> inventories) {
  for (std::size_t source = 0; source < inventories.size(); ++source) {
    const Inventory& inventory = *inventories[source];
    for (std::uint32_t i = 0; i < inventory.channels.size(); ++i) {
      const Channel& channel = inventory.channels[i];
      if (channel.kind != ChannelKind::utilisation && channel.kind != ChannelKind::context) continue;
      GpuUse& gpu = use_of(channel.device, source);
      if (channel.slice && gpu.slices.size() <= *channel.slice) gpu.slices.resize(*channel.slice + 1);
      GpuUse::Part& part = channel.slice ? gpu.slices[*channel.slice] : gpu.whole;
      (channel.kind == ChannelKind::utilisation ? part.utilisation : part.contexts) = i;
      if (channel.kind == ChannelKind::utilisation) gpu.age = (channel.period + channel.window) / 2;
    }
    for (const Device& device : inventory.devices) {
      if (!device.slices.empty()) use_of(device.id, source).shares = device.slices;
    }
    for (std::uint32_t i = 0; i < inventory.quantities.size(); ++i) {
      const QuantityChannel& quantity = inventory.quantities[i];
      const auto gpu = std::ranges::find(gpus_, quantity.device, &GpuUse::device);
      if (quantity.name == kPerformanceState && !quantity.missing && gpu != gpus_.end())
        gpu->performance_state = static_cast<std::uint32_t>(inventory.channels.size()) + i;
    }
  }
}

Meter::GpuUse& Meter::use_of(const std::string& device, std::size_t source) {
  const auto known = std::ranges::find(gpus_, device, &GpuUse::device);
  return known != gpus_.end() ? *known : gpus_.emplace_back(GpuUse{.device = device, .source = source});
}

// Readings in which nobody looked for work say nothing of it.
bool Meter::GpuUse::is_told_by(const Reading& reading) const {
  const auto is_of = [&](const Part& part) {
    return reading.channel == part.utilisation || reading.channel == part.contexts;
  };
  return is_of(whole) || std::ranges::any_of(slices, is_of);
}

void Meter::take_gpu(GpuUse& gpu, Nanoseconds time, std::span<const Reading> readings) {
  using Snapshot = GpuActivity::Snapshot;
  bool tells = false, lists_processes = false;
  for (const Reading& reading : readings) {
    if (reading.channel == gpu.performance_state) gpu.is_awake = reading.raw <= kLowestAwake;
    if (reading.channel == gpu.whole.utilisation && reading.stamped) gpu.clock.note(*reading.stamped, time);
    tells = tells || gpu.is_told_by(reading);
    lists_processes = lists_processes || reading.channel == gpu.whole.contexts;
  }
  if (!tells) return;
  Snapshot& snapshot = snapshot_;
  snapshot.time = time;
  snapshot.tells_work = gpu.whole.utilisation.has_value();
  snapshot.shows_processes = gpu.whole.contexts.has_value();
  snapshot.lists_processes = lists_processes;
  snapshot.is_awake = gpu.is_awake;
  snapshot.told.clear();
  snapshot.processes.clear();
  snapshot.slices.clear();
  const auto process = [&](std::int64_t pid, std::size_t slice) -> Snapshot::Process& {
    const auto found = std::ranges::find_if(
        snapshot.processes, [&](const Snapshot::Process& p) { return p.pid == pid && p.slice == slice; });
    return found != snapshot.processes.end()
               ? *found
               : snapshot.processes.emplace_back(Snapshot::Process{.pid = pid, .slice = slice});
  };
  for (std::size_t i = 0; i < gpu.slices.size(); ++i)
    snapshot.slices.push_back({.share = gpu.shares.at(i).share, .tells_work = gpu.slices[i].utilisation.has_value()});
  const auto take = [&](const GpuUse::Part& part, const Reading& reading, std::size_t slice) {
    const double share = static_cast<double>(reading.raw) / 1e6;
    if (reading.channel == part.contexts && reading.pid != 0) {
      process(reading.pid, slice).has_context = true;
    } else if (reading.channel == part.utilisation && reading.pid != 0) {
      process(reading.pid, slice).worked = share;
    } else if (reading.channel == part.utilisation && !snapshot.slices.empty()) {
      snapshot.slices[slice].worked = share;
    } else if (reading.channel == part.utilisation) {
      const bool is_stamped = reading.stamped.has_value();
      const Nanoseconds until = is_stamped ? gpu.clock.steady(*reading.stamped) : time - gpu.age;
      snapshot.told.push_back({.until = until, .share = share, .blur = is_stamped ? 0 : gpu.age});
    }
  };
  for (const Reading& reading : readings) {
    if (!gpu.is_told_by(reading)) continue;
    take(gpu.whole, reading, 0);
    for (std::size_t i = 0; i < gpu.slices.size(); ++i) take(gpu.slices[i], reading, i);
  }
  gpu.activity.take(snapshot, owner_of_);
  const auto books = std::ranges::find(books_, gpu.device, [](const DeviceBooks& b) { return b.device().id; });
  if (books != books_.end() && !snapshot.told.empty()) books->take_utilisation(snapshot.told.back().share);
}

const std::vector<Activity::Piece>* Meter::gpu_work(const DeviceBooks& books,
                                                    const std::map<std::string, Work>& gpus) const {
  const std::string& whose = books.device().follows.empty() ? books.device().id : books.device().follows;
  const auto found = gpus.find(whose);
  return found == gpus.end() ? nullptr : &found->second;
}

// What precedes the first work on a GPU of a run that has any is the phase `startup`.
void Meter::note_first_gpu_work(const std::map<std::string, Work>& gpus, RunDelta& into) {
  if (has_worked_on_gpu_) return;
  std::optional<Nanoseconds> first;
  for (const auto& [device, work] : gpus) {
    const auto piece = std::ranges::find_if(work, [](const Activity::Piece& p) { return p.is_told && p.ours > 0; });
    if (piece != work.end()) first = std::min(first.value_or(piece->begin), piece->begin);
  }
  if (!first) return;
  has_worked_on_gpu_ = true;
  if (*first - start_.steady < kShortestStartup) return;
  phases_.note_startup(start_.steady, *first);
  phase_quantities_.begin_work();
  for (DeviceBooks& books : books_) books.end_startup(*first, into);
}

void Meter::note_gpu_work_of_processes(Nanoseconds time) {
  if (phases_.processes().size() < 2) return;
  for (const GpuUse& gpu : gpus_) {
    for (const ProcessKey& process : phases_.processes()) {
      const auto worked = gpu.activity.worked_by_process().find(process.pid);
      if (worked != gpu.activity.worked_by_process().end())
        phases_.note_work(gpu.device, process, time, worked->second);
    }
  }
}

}  // namespace everywatt
