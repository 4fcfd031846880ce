#include "sources/nvml_work.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

namespace everywatt::nvml {
namespace {

// "between 1 second and 1/6 second, depending on the product" (NVML reference, nvmlUtilization_t); where it was
// looked at, a sixth.
constexpr Nanoseconds kUtilisationPeriod = kSecond / 6;
// Ticks without a sample after which the register is asked instead: the driver writes none while a GPU rests.
constexpr std::uint64_t kPatience = 4;
constexpr int kReadingsPerLook = 2;             // at the performance of slices: two calls each
constexpr std::size_t kMostSamples = 128;       // that a driver keeps
constexpr std::uint64_t kStale = 1'000'000;     // microseconds: for samples of processes that nobody needed until now
constexpr std::uint64_t kLookBack = 1'000'000;  // microseconds: into what it kept before the first reading
constexpr std::size_t kUsualProcesses = 16;     // that were sampled; more are asked for once more
constexpr std::string_view kServer = "nvidia-cuda-mps-server";

constexpr std::array kUtilisation = {Gpm::graphics_utilisation};

bool is_there(Return status) { return status == Return::success; }

void leave_out(Inventory& inventory, std::string_view what, Return status) {
  inventory.notes.push_back(fmt::format("{} {}: {}", inventory.devices.front().id, what, words_of(status)));
}

std::uint32_t add(Inventory& inventory, Channel channel) {
  channel.device = inventory.devices.front().id;
  inventory.channels.push_back(std::move(channel));
  return static_cast<std::uint32_t>(inventory.channels.size() - 1);
}

}  // namespace

Work::Work(std::shared_ptr<Library> library, Device device, Inventory& inventory)
    : library_{std::move(library)}, processes_{library_} {
  if (find_slices(device, inventory)) {
    find_slice_utilisation(device, inventory);
  } else {
    find_utilisation(device, inventory);
    find_contexts(device, inventory);
  }
}

void Work::find_utilisation(Device device, Inventory& inventory) {
  Utilization utilisation{};
  if (const Return status = call_if_there(library_->call.utilization, device, &utilisation); !is_there(status))
    return leave_out(inventory, "utilisation", status);
  // The last second of what lies in the buffer comes with the first reading: else the time until the next sample would
  // be one of which nothing is known. "Not found": there is a buffer, with nothing in it.
  std::vector<Reading> before;
  samples_.resize(kMostSamples);
  const Return history = sample_history(device, before);
  has_history_ = is_there(history) || history == Return::not_found;
  const Spacing by_cost = Spacing::measured([&] {
    std::vector<Reading> unused;
    (void)sample_history(device, unused);
    read_process_samples(device);
  });
  spacing_ = by_cost.at_least(kTicksPerWord);
  utilisation_ = add(inventory, {.kind = ChannelKind::utilisation,
                                 .sensor = "nvml-utilisation",
                                 .detail = has_history_ ? "nvmlDeviceGetSamples" : "nvmlDeviceGetUtilizationRates",
                                 .period = kUtilisationPeriod,
                                 .spacing = by_cost.is_each() ? 0 : spacing_.length(),
                                 .window = kUtilisationPeriod});
  last_sample_ -= std::min(last_sample_, kLookBack);
  last_process_sample_ = 0;
}

// Whether any list of processes is to be had.
void Work::find_contexts(Device device, Inventory& inventory) {
  const Return status = processes_.is_told(Processes::Kind::compute, device);
  if (!is_there(status)) return leave_out(inventory, "processes", status);
  contexts_ = add(inventory, {.kind = ChannelKind::context, .sensor = "nvml-processes"});
}

// False: the GPU is not cut.
bool Work::find_slices(Device device, Inventory& inventory) {
  const Functions& call = library_->call;
  std::uint32_t mode = 0, pending = 0, most = 0;
  if (!is_there(call_if_there(call.mig_mode, device, &mode, &pending)) || mode == 0) return false;
  if (!is_there(call_if_there(call.mig_count, device, &most))) return false;
  for (std::uint32_t place = 0; place < most; ++place) {
    Device instance{};
    std::uint32_t id = 0;
    Attributes attributes{};
    if (!is_there(call_if_there(call.mig_device, device, place, &instance))) continue;
    if (!is_there(call_if_there(call.gpu_instance, instance, &id))) continue;
    if (!is_there(call_if_there(call.attributes, instance, &attributes))) continue;
    auto slice = std::ranges::find(slices_, id, &Slice::gpu_instance);
    if (slice == slices_.end()) {
      auto& known = inventory.devices.front().slices;
      known.push_back({.share = static_cast<double>(attributes.gpu_slices) / static_cast<double>(most)});
      slice = slices_.insert(
          slice,
          {.gpu_instance = id,
           .places = {},
           .contexts =
               add(inventory, {.kind = ChannelKind::context, .sensor = "nvml-processes", .slice = known.size() - 1})});
    }
    slice->places.push_back(place);
    std::array<char, 97> uuid{};
    if (call.uuid && is_there(call.uuid(instance, uuid.data(), uuid.size() - 1)))
      inventory.devices.front().slices[static_cast<std::size_t>(slice - slices_.begin())].names.emplace_back(
          uuid.data());
  }
  return true;
}

void Work::find_slice_utilisation(Device device, Inventory& inventory) {
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    Return status = Return::success;
    slices_[i].performance = PerformanceMonitor::open(library_, device, slices_[i].gpu_instance, status);
    if (slices_[i].performance) {
      slices_[i].utilisation = add(inventory, {.kind = ChannelKind::utilisation, .sensor = "nvml-gpm", .slice = i});
    } else {
      leave_out(inventory, fmt::format("utilisation of MIG instance {}", slices_[i].gpu_instance), status);
    }
  }
}

Return Work::sample(Device device, bool of_work, bool is_round, std::vector<Reading>& out) {
  if (!slices_.empty()) return sample_slices(device, out);
  sample_contexts(device, is_round, out);
  return of_work ? sample_utilisation(device, out) : Return::success;
}

Return Work::sample_utilisation(Device device, std::vector<Reading>& out) {
  if (!utilisation_) return Return::success;
  const std::size_t from = out.size();
  if (has_history_ && is_there(sample_history(device, out))) {
    without_sample_ = 0;
  } else if (!has_history_ || (without_sample_ += spacing_.ticks()) > kPatience) {
    Utilization utilisation{};
    if (const Return status = library_->call.utilization(device, &utilisation); !is_there(status)) return status;
    out.push_back({.channel = *utilisation_, .raw = std::uint64_t{utilisation.gpu} * 10'000});
  }
  sample_processes(device, from, out);
  return Return::success;
}

Return Work::sample_history(Device device, std::vector<Reading>& out) {
  ValueType type{};
  auto count = static_cast<std::uint32_t>(samples_.size());
  const Return status = call_if_there(library_->call.samples, device, Samples::gpu_utilization, last_sample_, &type,
                                      &count, samples_.data());
  if (!is_there(status)) return status;
  if (type != ValueType::u32) return Return::not_supported;
  Return found = Return::not_found;
  for (const Sample& sample : std::span{samples_.data(), std::min<std::size_t>(count, samples_.size())}) {
    if (sample.timestamp <= last_sample_) continue;
    last_sample_ = sample.timestamp;
    found = Return::success;
    if (utilisation_)
      out.push_back({.channel = *utilisation_,
                     .raw = std::uint64_t{sample.value.u32} * 10'000,
                     .stamped = static_cast<Nanoseconds>(sample.timestamp) * 1000});
  }
  return found;
}

std::optional<std::uint32_t> Work::only_holder() const {
  return held_.size() == 1 && !was_held_by_unknown_ ? std::optional{held_.front()} : std::nullopt;
}

// What the driver has sampled processes with since; of one call, which the next overwrites.
std::span<const ProcessUtilization> Work::read_process_samples(Device device) {
  Return status = Return::insufficient_size;
  std::uint32_t count = 0;
  for (int attempt = 0; attempt < 2 && status == Return::insufficient_size; ++attempt) {
    process_samples_.resize(std::max<std::size_t>({process_samples_.size(), count, kUsualProcesses}));
    count = static_cast<std::uint32_t>(process_samples_.size());
    status = call_if_there(library_->call.process_utilization, device, process_samples_.data(), &count,
                           last_process_sample_);
  }
  if (!is_there(status)) return {};
  return std::span{process_samples_.data(), std::min<std::size_t>(count, process_samples_.size())};
}

// Who alone holds contexts did all that was done: samples of processes are dear, and name only the one that ran when
// they were taken. Else the mean of what each process was sampled with since the last reading; what the server of MPS
// is sampled with was done for its clients.
void Work::sample_processes(Device device, std::size_t from, std::vector<Reading>& out) {
  const auto alone = only_holder();
  held_ = holding_;
  was_held_by_unknown_ = false;
  const bool was_divided = std::exchange(is_divided_, !alone);
  if (alone) {
    std::uint64_t sum = 0;
    const std::size_t told = out.size() - from;
    for (const Reading& reading : std::span{out}.subspan(from)) sum += reading.raw;
    if (sum > 0) out.push_back({.channel = *utilisation_, .raw = sum / told, .pid = *alone});
    return;
  }
  const auto samples = read_process_samples(device);
  if (samples.empty()) return;
  struct Mean {
    std::uint64_t sum = 0;
    std::uint64_t samples = 0;
  };
  const std::uint64_t newest = std::ranges::max(samples, {}, &ProcessUtilization::timestamp).timestamp;
  const std::uint64_t fresh = newest > kStale ? newest - kStale : 0;
  const std::uint64_t oldest = std::max(last_process_sample_ + 1, was_divided ? 0 : fresh);
  std::map<std::uint32_t, Mean> means;
  for (const ProcessUtilization& sample : samples) {
    if (sample.pid == 0 || sample.timestamp < oldest) continue;
    means[sample.pid].sum += sample.sm;
    means[sample.pid].samples += 1;
  }
  last_process_sample_ = std::max(last_process_sample_, newest);
  for (const auto& [pid, mean] : means) {
    const std::uint64_t raw = mean.sum * 10'000 / mean.samples;
    if (clients_.empty() || !is_server(pid)) {
      out.push_back({.channel = *utilisation_, .raw = raw, .pid = pid});
      continue;
    }
    for (const ProcessInfo& client : clients_)
      out.push_back({.channel = *utilisation_, .raw = raw / clients_.size(), .pid = client.pid});
  }
}

// Compute contexts come and go with a job's processes; of graphics and of MPS it is asked with every round.
void Work::sample_contexts(Device device, bool is_round, std::vector<Reading>& out) {
  if (!contexts_) return;
  if (is_round) {
    list_into(graphics_, Processes::Kind::graphics, device);
    note_clients(device);
  }
  std::uint64_t holders = 0;
  const auto add = [&](std::span<const ProcessInfo> processes) {
    for (const ProcessInfo& process : processes) {
      if (!clients_.empty() && is_server(process.pid)) continue;
      const std::uint64_t memory = process.memory == kNotAvailable ? 0 : process.memory;
      out.push_back({.channel = *contexts_, .raw = memory, .pid = process.pid});
      holding_.push_back(process.pid);
      if (std::ranges::find(held_, process.pid) == held_.end()) held_.push_back(process.pid);
      ++holders;
    }
  };
  holding_.clear();
  const auto compute = processes_.list(Processes::Kind::compute, device);
  was_held_by_unknown_ |= !compute;
  if (!compute) return;
  add(*compute);
  add(graphics_);
  add(clients_);
  out.push_back({.channel = *contexts_, .raw = holders});
}

void Work::note_clients(Device device) {
  list_into(clients_, Processes::Kind::mps, device);
  if (clients_.empty()) servers_.clear();
}

bool Work::is_server(std::uint32_t pid) {
  const auto known = servers_.find(pid);
  if (known != servers_.end()) return known->second;
  std::array<char, 256> name{};
  const Return status = call_if_there(library_->call.process_name, pid, name.data(), std::uint32_t{name.size() - 1});
  return servers_[pid] = is_there(status) && std::string_view{name.data()}.find(kServer) != std::string_view::npos;
}

Return Work::sample_slices(Device device, std::vector<Reading>& out) {
  Return worst = Return::success;
  const bool is_look = until_look_ == 0;
  until_look_ = is_look ? kReadingsPerLook - 1 : until_look_ - 1;
  for (Slice& slice : slices_) {
    std::optional<std::uint64_t> holders;
    for (const std::uint32_t place : slice.places) {
      Device instance{};
      if (const Return status = library_->call.mig_device(device, place, &instance); !is_there(status)) {
        worst = status;
        continue;
      }
      const auto processes = processes_.list(Processes::Kind::compute, instance);
      if (!processes) continue;
      for (const ProcessInfo& process : *processes)
        out.push_back({.channel = slice.contexts, .raw = process.memory, .pid = process.pid});
      holders = holders.value_or(0) + processes->size();
    }
    if (holders) out.push_back({.channel = slice.contexts, .raw = *holders});
    if (!is_look || !slice.performance) continue;
    if (const auto percent = slice.performance->look(device, kUtilisation).front())
      out.push_back({.channel = *slice.utilisation, .raw = PerformanceMonitor::share(*percent)});
  }
  return worst;
}

void Work::list_into(std::vector<ProcessInfo>& known, Processes::Kind kind, Device device) {
  const auto processes = processes_.list(kind, device).value_or(std::span<const ProcessInfo>{});
  known.assign(processes.begin(), processes.end());
}

}  // namespace everywatt::nvml
