// One count of bytes that moved between processors and their memory, of one part of a machine and in one direction: a
// performance counter of a memory controller, or what resctrl says of one cache.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/roots.h"

namespace everywatt {

inline constexpr std::string_view kMemoryRead = "memory_read";
inline constexpr std::string_view kMemoryWritten = "memory_written";
inline constexpr std::string_view kMemoryTraffic = "memory_traffic";  // both together

class ByteCounter {
 public:
  virtual ~ByteCounter() = default;
  // Bytes since some moment; none where they are not told this time. It may begin again.
  virtual Result<std::optional<std::uint64_t>> bytes() = 0;
};

struct FoundCounter {
  std::string device;         // "package:0"
  std::string_view quantity;  // one of those above
  std::unique_ptr<ByteCounter> counter;
};
using FoundCounters = std::vector<FoundCounter>;

// Errc::absent: no such counters here; denied: they may not be read, and what would help.
// Most machines have none, and learn it from two folders.
Result<FoundCounters> find_uncore_counters(const Roots& roots);
Result<FoundCounters> find_resctrl_counters(const Roots& roots);

}  // namespace everywatt
