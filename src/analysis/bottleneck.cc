#include "analysis/bottleneck.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace everywatt {
namespace {

// A fifth of the time: without these waits the phase would end a fifth sooner, more than any other change is likely to
// bring. Below it the waits of a sound pipeline lie, which hides most of them.
constexpr double kMuchWaiting = 0.2;
// Who waits for data while the GPUs still work on what they were given loses nothing; where they work through more than
// half of the waits, data is not what is missing.
constexpr double kOverlapped = 0.5;
// Nothing works for most of the time: no change to what does work would matter as much.
constexpr double kMostlyIdle = 0.5;
// What real programs reach of a peak: DRAM 80 %, which NVIDIA calls the most that is achievable; matrix units 93 %,
// which NVIDIA's own generator of loads reaches (DCGM, profiling metrics, dcgmproftester).
constexpr double kReachableMemory = 0.8;
constexpr double kReachableArithmetic = 0.93;
// Kernels below 60 % of what their memory and their arithmetic could do are held up by latency rather than by either
// (Nsight Compute, rule of the section Speed of Light).
constexpr double kNearLimit = 0.6;
// The same rule calls two that lie within a tenth balanced.
constexpr double kLead = 0.1;
// Of GPUs that hardly work nothing can be told.
constexpr double kLeastWork = 0.02;

bool starts_with_any(std::string_view word) {
  constexpr std::array<std::string_view, 10> kInput = {"data",     "input", "batch", "load",    "fetch",
                                                       "prefetch", "disk",  "file",  "storage", "decode"};
  return word == "read" || word == "io" ||
         std::ranges::any_of(kInput, [&](std::string_view begin) { return word.starts_with(begin); });
}

// "next_batch" has two words.
bool names_input(std::string_view name) {
  std::string word;
  for (const char c : std::string{name} + " ") {
    if (std::isalnum(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      if (starts_with_any(word)) return true;
      word.clear();
    }
  }
  return false;
}

Verdict of_gpus(const GpuUse& gpus) {
  const auto units = gpus.busiest_units();
  if (!gpus.memory || !units) return {Bottleneck::unknown, "not all parts of the GPUs tell how much they worked"};
  if (gpus.worked < kLeastWork) return {Bottleneck::unknown, "the GPUs hardly worked"};
  // While a kernel was there.
  const double memory = *gpus.memory / gpus.worked / kReachableMemory;
  const double arithmetic = units->share / gpus.worked / kReachableArithmetic;
  if (std::max(memory, arithmetic) < kNearLimit)
    return {Bottleneck::unknown, "neither memory nor arithmetic is near its limit: kernels are small, or wait"};
  if (memory >= arithmetic + kLead) return {Bottleneck::memory};
  if (arithmetic >= memory + kLead) return {Bottleneck::compute};
  return {Bottleneck::unknown, "memory and arithmetic are equally near their limits"};
}

}  // namespace

std::string_view to_string(Bottleneck bottleneck) {
  constexpr std::array<std::string_view, 6> kNames = {"compute-bound",       "memory-bound", "input-bound",
                                                      "communication-bound", "idle",         "unknown"};
  return kNames[static_cast<std::size_t>(bottleneck)];
}

std::optional<GpuUse::Units> GpuUse::busiest_units() const {
  std::optional<Units> busiest;
  const std::pair<std::string_view, std::optional<double>> all[] = {
      {"tensor cores", tensor}, {"FP64 units", fp64}, {"FP32 units", fp32}, {"FP16 units", fp16}};
  for (const auto& [name, share] : all) {
    if (share && (!busiest || *share > busiest->share)) busiest = Units{name, *share};
  }
  return busiest;
}

Verdict judge(const PhaseUse& use) {
  const bool is_overlapped = use.worked_in_input_wait.value_or(0) > kOverlapped;
  const std::pair<double, Bottleneck> causes[] = {
      {use.input_wait >= kMuchWaiting && !is_overlapped ? use.input_wait : 0, Bottleneck::input},
      {use.sync_wait >= kMuchWaiting ? use.sync_wait : 0, Bottleneck::communication},
      {use.idle().value_or(0) >= kMostlyIdle ? *use.idle() : 0, Bottleneck::idle}};
  const auto& largest = *std::ranges::max_element(causes, {}, &std::pair<double, Bottleneck>::first);
  if (largest.first > 0) return {largest.second};
  if (!use.gpus) return {Bottleneck::unknown, use.gpus_reason};
  return of_gpus(*use.gpus);
}

Wait wait_in(std::string_view component) {
  constexpr std::string_view kWait = "wait:";
  if (component.starts_with(kWait)) return names_input(component.substr(kWait.size())) ? Wait::input : Wait::sync;
  if (component == "data-wait" || component == "data_wait") return Wait::input;
  if (component == "sync-wait" || component == "sync_wait") return Wait::sync;
  return Wait::none;
}

}  // namespace everywatt
