// Which GPUs a process has set aside for itself: those that its environment names, or else those that it may open where
// the machine has more. They are told by names that hold for everyone (GPU-…, MIG-…), since an index is
// another one in each container.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/device.h"

namespace everywatt {

// `seen`: the GPUs that NVML shows us. None: nothing is said, all are there.
std::optional<std::vector<std::string>> gpus_reserved_by(pid_t pid, std::span<const Device> seen,
                                                         const std::filesystem::path& proc);

// The parts of it.

// The files of the GPUs that the kernel's driver has, whoever may open them ("/dev/nvidia0"); in a container that
// NVIDIA's older runtime made, of those alone that were given to it.
std::vector<std::string> driver_gpus(const std::filesystem::path& proc);

// The GPUs whose files a device cgroup of version 1 lets a process open, by devices.list ("c 195:0 rw", 195 being
// NVIDIA's major number); none: all of them.
std::optional<std::vector<std::string>> allowed_gpus(std::string_view devices_list);

// What there is for a process.
struct OpenGpus {
  std::vector<Device> gpus = {};  // in NVML's order
  bool is_part = false;           // the machine has others, which it may not open
};
OpenGpus open_gpus(std::span<const Device> seen, std::span<const std::string> driver_gpus,
                   const std::function<bool(const std::string& file)>& may_open);

// Those of them that the variables of an environment (NAME=value, ended by NUL each) name; all of them where a
// container's runtime chose; none: no variable says.
std::optional<std::vector<std::string>> visible_gpus(std::string_view environment, const OpenGpus& open);

}  // namespace everywatt
