// The words that a scenario uses for NVML's numbers.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "sources/nvml_abi.h"

namespace everywatt::lab {

template <class T>
using Words = std::span<const std::pair<std::string_view, T>>;

Words<nvml::Return> statuses();             // "not_supported", "gpu_is_lost", …
Words<nvml::Architecture> architectures();  // "hopper", …
Words<nvml::Field> throttle_fields();       // "power_cap", "thermal", …
Words<nvml::Gpm> gpm_metrics();             // "sm_utilisation", …

template <class T>
std::optional<T> find(Words<T> words, std::string_view name) {
  for (const auto& [word, value] : words) {
    if (word == name) return value;
  }
  return std::nullopt;
}

// "success, uninitialized, …", for an error.
template <class T>
std::string list(Words<T> words) {
  std::string text;
  for (const auto& [word, value] : words) text += (text.empty() ? "" : ", ") + std::string{word};
  return text;
}

}  // namespace everywatt::lab
