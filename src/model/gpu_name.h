// What NVIDIA calls a GPU, of the name that it has here.
#pragma once
#include <string_view>

#include "model/device.h"

namespace everywatt {

// "GPU-…", of a Device::id "gpu:GPU-…"; any other id as it is.
inline std::string_view uuid_of(std::string_view id) {
  constexpr std::string_view kPrefix = "gpu:";
  return id.starts_with(kPrefix) ? id.substr(kPrefix.size()) : id;
}

// A superchip's meter of GPU and processor together, as the GPU's library tells it.
inline bool is_gpu_module(const Device& device) { return device.id.starts_with("module:GPU-"); }

}  // namespace everywatt
