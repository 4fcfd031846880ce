// What /proc says of a process: the real one, always, since the job's
// processes are the kernel's. Where /proc belongs to another pid namespace its
// numbers are those of other processes; then nothing here finds anything.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace everywatt {

struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  std::string name;
  bool ended = false;           // and not waited for yet
  Nanoseconds cpu_time = 0;     // its own, all threads, in ticks of 10 ms
  Nanoseconds waited_time = 0;  // of the children that it has waited for, theirs included
  std::uint64_t start_ticks = 0;
  std::uint64_t resident_bytes = 0;
  Nanoseconds total() const { return cpu_time + waited_time; }
};

// One line of /proc/PID/stat. The name may hold blanks and parentheses.
std::optional<ProcessStat> parse_process_stat(std::string_view line);
std::optional<ProcessStat> read_process(pid_t pid);

// The processes and all that descend from them, parents before their children.
// Read in this order a child whose parent waits for it in the meantime is
// missed in this look, and never counted twice.
std::vector<ProcessStat> look_at_trees(std::span<const pid_t> roots);

// Exactly these, as far as they live, older ones first: parents before children too.
std::vector<ProcessStat> look_at(std::span<const pid_t> pids);

// The living children of one process.
std::vector<pid_t> children_of(pid_t pid);

// Whether `pid` is a descendant of `ancestor`.
bool descends_from(pid_t pid, pid_t ancestor);

// Bytes that the process and the children that it has waited for moved to and
// from storage; none where we may not look.
struct DiskBytes {
  std::uint64_t read = 0;
  std::uint64_t written = 0;
};
std::optional<DiskBytes> read_disk_bytes(pid_t pid);

// The most memory that the process ever had in use; none once it has ended.
std::optional<std::uint64_t> read_peak_memory(pid_t pid);
// Its proportional share of the memory in use: shared pages are divided by their users.
std::optional<std::uint64_t> read_proportional_memory(pid_t pid);

}  // namespace everywatt
