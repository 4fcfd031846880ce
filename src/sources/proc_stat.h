// The CPU lines of /proc/stat, scanned by hand: with 256 CPUs this runs ten
// times a second beside the job.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace everywatt {

struct CpuTicks {
  unsigned cpu = 0;
  std::uint64_t worked = 0;  // USER_HZ ticks in which the CPU was neither idle, nor waiting for I/O, nor stolen
};

enum class CpuLines {
  complete,   // a line that is no CPU's was reached, or the text's own end after a whole line
  cut_off,    // the text ends within the CPU lines: read again with a larger buffer
  malformed,  // not what /proc/stat should be
};

// Puts every "cpuN" line of the text into `out` (cleared first), in the text's order.
CpuLines scan_cpu_lines(std::string_view text, std::vector<CpuTicks>& out);

}  // namespace everywatt
