#include "job/gpu_reservation.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/file.h"
#include "base/text.h"
#include "job/mounts.h"
#include "model/gpu_name.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string>;

constexpr std::string_view kFile = "/dev/nvidia";

// One that is cut is had by its slices.
void add(const Device& gpu, Names& names) {
  if (gpu.slices.empty()) names.emplace_back(uuid_of(gpu.id));
  for (const Device::Slice& slice : gpu.slices) std::ranges::copy(slice.names, std::back_inserter(names));
}

Names all_of(const OpenGpus& open) {
  Names names;
  for (const Device& gpu : open.gpus) add(gpu, names);
  return names;
}

// "GPU-8932f937", as much of a name as no other begins with; "MIG-…" likewise, before driver 470
// "MIG-GPU-…/<GPU instance>/<compute instance>".
bool add_named(std::string_view name, const OpenGpus& open, Names& names) {
  if (!name.starts_with("GPU-") && !name.starts_with("MIG-")) return false;
  std::size_t found = 0;
  Names meant;
  for (const Device& gpu : open.gpus) {
    // Where newer drivers name slices otherwise, the GPU alone is told: enough if there is one slice.
    const bool is_old_name = gpu.slices.size() == 1 && name.starts_with("MIG-" + std::string{uuid_of(gpu.id)} + "/");
    if (is_old_name || uuid_of(gpu.id).starts_with(name)) {
      ++found;
      add(gpu, meant);
      continue;
    }
    for (const Device::Slice& slice : gpu.slices) {
      for (const std::string& each : slice.names) {
        if (!each.starts_with(name)) continue;
        ++found;
        meant.push_back(each);
      }
    }
  }
  if (found != 1) return false;
  std::ranges::move(meant, std::back_inserter(names));
  return true;
}

// The driver counts those that a process may open; a GPU that is lost keeps its index.
const Device* at(std::uint64_t index, const OpenGpus& open) {
  if (open.is_part) return index < open.gpus.size() ? &open.gpus[index] : nullptr;
  const auto found =
      std::ranges::find_if(open.gpus, [&](const Device& gpu) { return gpu.index && *gpu.index == index; });
  return found == open.gpus.end() ? nullptr : &*found;
}

std::optional<std::string_view> value_of(std::string_view environment, std::string_view variable) {
  for (const std::string_view entry : split(environment, '\0')) {
    if (entry.starts_with(variable) && entry.substr(variable.size()).starts_with('='))
      return trim(entry.substr(variable.size() + 1));
  }
  return std::nullopt;
}

// CUDA's own order is "fastest first", and NVML's that of the bus: the same where all are alike.
bool is_order_known(std::string_view environment, const OpenGpus& open) {
  if (value_of(environment, "CUDA_DEVICE_ORDER") == "PCI_BUS_ID") return true;
  return std::ranges::adjacent_find(open.gpus, std::not_equal_to{}, &Device::model) == open.gpus.end();
}

// What stands before the first that is none: "-1", "NoDevFiles", an index that there is not (CUDA C++ Programming
// Guide, CUDA_VISIBLE_DEVICES).
std::optional<Names> by_cuda(std::string_view value, std::string_view environment, const OpenGpus& open) {
  const auto words = split(value, ',');
  const bool are_indices_known = words.size() == open.gpus.size() || is_order_known(environment, open);
  Names names;
  for (const std::string_view each : words) {
    const std::string_view word = trim(each);
    const auto index = parse_u64(word);
    if (index && !are_indices_known) return std::nullopt;
    const Device* gpu = index ? at(*index, open) : nullptr;
    if (gpu) {
      add(*gpu, names);
    } else if (!add_named(word, open, names)) {
      break;
    }
  }
  return names;
}

// Slurm tells GPUs by the numbers of their files, also where a cgroup lets a job open a part of them (sbatch(1):
// "not relative to any device cgroup"); where there are slices by its own count of all.
std::optional<Names> by_scheduler(std::string_view value, const OpenGpus& open) {
  if (std::ranges::any_of(open.gpus, [](const Device& gpu) { return !gpu.slices.empty(); })) return std::nullopt;
  Names names;
  for (const std::string_view word : split(value, ',')) {
    const auto number = parse_u64(trim(word));
    const auto is_meant = [&](const Device& gpu) {
      if (gpu.node.empty()) return gpu.index && *gpu.index == *number;
      return gpu.node == std::string{kFile} + std::to_string(*number);
    };
    const auto gpu = number ? std::ranges::find_if(open.gpus, is_meant) : open.gpus.end();
    if (gpu != open.gpus.end()) add(*gpu, names);
  }
  return names.empty() ? std::nullopt : std::optional{names};
}

// "0" or "0:1", the second of its slices: indices as the host has them, which hold here if nothing is held back.
bool add_host_index(std::string_view word, const OpenGpus& open, Names& names) {
  const auto colon = word.find(':');
  const auto index = parse_u64(word.substr(0, colon));
  const Device* gpu = index && !open.is_part ? at(*index, open) : nullptr;
  if (!gpu) return false;
  if (colon == std::string_view::npos) {
    add(*gpu, names);
    return true;
  }
  const auto slice = parse_u64(word.substr(colon + 1));
  if (!slice || *slice >= gpu->slices.size()) return false;
  std::ranges::copy(gpu->slices[*slice].names, std::back_inserter(names));
  return true;
}

// What a container's runtime was asked for. `void` says nothing: who gives GPUs in another way (CDI) sets it, so that
// the runtime gives none. Where an index or a form is none that we know, we are in the container: it has what there is.
std::optional<Names> by_runtime(std::string_view value, const OpenGpus& open) {
  for (const std::string_view word : {"", "all", "none", "void"}) {
    if (value == word) return std::nullopt;
  }
  Names names;
  for (const std::string_view each : split(value, ',')) {
    const std::string_view word = trim(each);
    const bool is_name = word.empty() || word.starts_with("GPU-") || word.starts_with("MIG-");
    if (add_named(word, open, names) || is_name) continue;
    if (!add_host_index(word, open, names)) return all_of(open);
  }
  return names.empty() ? std::nullopt : std::optional{names};
}

std::optional<Names> gpus_of_cgroup(pid_t pid) {
  const auto group = cgroup_folder_of(pid, "devices");
  if (!group) return std::nullopt;
  const auto list = read_text(group->folder / "devices.list");
  return list ? allowed_gpus(*list) : std::nullopt;
}

// The kernel asks a device cgroup of either version here, too, and the GPU is not woken.
bool can_open(const std::string& file) { return ::access(file.c_str(), R_OK | W_OK) == 0; }

// In the process's own view of the files; where that cannot be seen, no.
bool is_hidden_from(pid_t pid, const std::string& file) {
  const std::string root = "/proc/" + std::to_string(pid) + "/root";
  if (::access((root + "/dev").c_str(), F_OK) != 0) return false;
  return ::access((root + file).c_str(), F_OK) != 0 && errno == ENOENT;
}

}  // namespace

std::vector<std::string> driver_gpus(const fs::path& proc) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator entry{proc / "driver/nvidia/gpus", error}, end; !error && entry != end;
       entry.increment(error)) {
    const auto information = read_text(entry->path() / "information");
    if (!information) continue;
    std::optional<std::uint64_t> minor;
    bool is_excluded = false;  // by the administrator, from everyone
    for (const std::string_view line : split(*information, '\n')) {
      const auto colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      const std::string_view value = trim(line.substr(colon + 1));
      if (line.starts_with("Device Minor:")) minor = parse_u64(value);
      if (line.starts_with("GPU Excluded:")) is_excluded = value == "Yes";
    }
    if (minor && !is_excluded) files.push_back(std::string{kFile} + std::to_string(*minor));
  }
  return files;
}

std::optional<std::vector<std::string>> allowed_gpus(std::string_view devices_list) {
  constexpr std::string_view kNvidia = "195:";
  constexpr std::uint64_t kFirstOther = 254;  // nvidia-modeset and nvidiactl
  std::vector<std::string> gpus;
  for (const std::string_view line : split(devices_list, '\n')) {
    const auto fields = words(line);
    if (fields.size() < 2) continue;
    if (fields[0] == "a" || (fields[0] == "c" && (fields[1] == "*:*" || fields[1] == "195:*"))) return std::nullopt;
    if (fields[0] != "c" || !fields[1].starts_with(kNvidia)) continue;
    const auto minor = parse_u64(fields[1].substr(kNvidia.size()));
    if (minor && *minor < kFirstOther) gpus.push_back(std::string{kFile} + std::to_string(*minor));
  }
  return gpus;
}

OpenGpus open_gpus(std::span<const Device> seen, std::span<const std::string> driver_gpus,
                   const std::function<bool(const std::string& file)>& may_open) {
  OpenGpus open;
  for (const Device& gpu : seen) {
    if (gpu.node.empty() || may_open(gpu.node)) {
      open.gpus.push_back(gpu);
    } else {
      open.is_part = true;
    }
  }
  // One that NVML does not show may be lost: then its file can be opened all the same.
  open.is_part |= std::ranges::any_of(driver_gpus, [&](const std::string& file) {
    return std::ranges::find(seen, file, &Device::node) == seen.end() && !may_open(file);
  });
  std::ranges::sort(open.gpus, {}, &Device::index);
  return open;
}

std::optional<std::vector<std::string>> visible_gpus(std::string_view environment, const OpenGpus& open) {
  // The narrowest first: what the framework obeys, then what the scheduler and the container's runtime set.
  if (const auto value = value_of(environment, "CUDA_VISIBLE_DEVICES"); value && *value != "all")
    return by_cuda(*value, environment, open);
  for (const std::string_view variable : {"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"}) {
    const auto value = value_of(environment, variable);
    if (auto gpus = value ? by_scheduler(*value, open) : std::nullopt) return gpus;
  }
  const auto value = value_of(environment, "NVIDIA_VISIBLE_DEVICES");
  if (auto gpus = value ? by_runtime(*value, open) : std::nullopt) return gpus;
  return open.is_part ? std::optional{all_of(open)} : std::nullopt;
}

std::optional<std::vector<std::string>> gpus_reserved_by(pid_t pid, std::span<const Device> seen,
                                                         const fs::path& proc) {
  if (seen.empty()) return std::nullopt;
  const auto allowed = gpus_of_cgroup(pid);
  const auto may_open = [&](const std::string& file) {
    // What NVML shows it has opened, whether or not there is such a file (WSL has none, nor has the lab).
    if (!can_open(file)) return std::ranges::find(seen, file, &Device::node) != seen.end();
    if (allowed && std::ranges::find(*allowed, file) == allowed->end()) return false;
    return !is_hidden_from(pid, file);
  };
  const auto environment = read_text("/proc/" + std::to_string(pid) + "/environ");
  return visible_gpus(environment ? *environment : std::string{}, open_gpus(seen, driver_gpus(proc), may_open));
}

}  // namespace everywatt
