// What a run's processes used, from looks at the living ones and from what the
// kernel says of each one that is waited for. A process that is reaped hands
// its figures on to whoever waited for it, so the sum over the living and what
// we reaped is whole however many have ended. Every figure only grows.
#pragma once
#include <sys/resource.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "job/process.h"

namespace everywatt {

class ProcessLedger {
 public:
  // Processes that end may be handed on to us (we reap them and call
  // note_reaped), or to someone outside, who does not tell.
  enum class Orphans { reaped_by_us, reaped_elsewhere };
  explicit ProcessLedger(Orphans orphans) : orphans_{orphans} {}

  void note_reaped(const rusage& used);
  // A process that was made as vfork does counts its maker's memory as its own
  // until it execs: a peak that is no more than this says nothing.
  void disregard_peaks_up_to(std::uint64_t bytes) { foreign_peak_ = bytes; }
  // All living processes of the run, parents before their children.
  void look(std::span<const ProcessStat> living);
  // The same, with memory and disk.
  void look_closely(std::span<const ProcessStat> living);
  // What was used up to now was used by others: not on this account.
  void start_from_here();

  Nanoseconds cpu_time() const { return cpu_time_ - cpu_before_; }
  // The largest sum of proportional shares that was seen, or one process's own
  // peak where that is more; none where nothing could be seen.
  std::optional<std::uint64_t> peak_memory() const { return peak_memory_; }
  std::optional<DiskBytes> disk_bytes() const;

 private:
  struct Seen {
    std::uint64_t start_ticks = 0;
    pid_t parent = 0;
    Nanoseconds total = 0;
  };
  using Population = std::map<pid_t, Seen>;
  Nanoseconds lost_since(const Population& now) const;
  void look_at_memory(std::span<const ProcessStat> living);
  void look_at_disk(std::span<const ProcessStat> living);
  void note_peak(std::uint64_t bytes);
  void note_disk(DiskBytes sum);

  Orphans orphans_;
  Population population_;  // at the last look; kept only for orphans reaped elsewhere
  Nanoseconds reaped_time_ = 0;
  Nanoseconds cpu_time_ = 0;
  Nanoseconds cpu_before_ = 0;
  std::uint64_t resident_at_share_ = 0;  // when the proportional shares were last summed
  std::uint64_t foreign_peak_ = 0;
  std::optional<std::uint64_t> peak_memory_;
  DiskBytes reaped_disk_;
  std::optional<DiskBytes> disk_;
  DiskBytes disk_before_;
};

}  // namespace everywatt
