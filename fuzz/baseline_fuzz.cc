// A baseline's file. What is read can be written, and is then read as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "cli/baseline_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everywatt;
  const auto baseline = parse_baseline({reinterpret_cast<const char*>(data), size}, "baseline.json");
  if (!baseline) return 0;
  const auto again = parse_baseline(baseline_json(*baseline), "again.json");
  if (!again || again->profile.times.size() != baseline->profile.times.size()) std::abort();
  if (again->profile.energy != baseline->profile.energy && baseline->profile.energy < 1'000'000'000'000) std::abort();
  return 0;
}
