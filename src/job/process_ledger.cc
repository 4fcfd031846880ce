#include "job/process_ledger.h"

#include <algorithm>

namespace everywatt {
namespace {

Nanoseconds nanoseconds(const timeval& time) { return time.tv_sec * kSecond + time.tv_usec * 1000; }

// ru_inblock and ru_oublock count the bytes of /proc/PID/io in these (task_io_accounting of the kernel).
constexpr std::uint64_t kBlockBytes = 512;

// Summing proportional shares walks the page tables. It is done again once the
// resident sum, which costs nothing and is never less, has grown by this factor.
constexpr double kGrowth = 1.02;

}  // namespace

void ProcessLedger::note_reaped(const rusage& used) {
  reaped_time_ += nanoseconds(used.ru_utime) + nanoseconds(used.ru_stime);
  cpu_time_ = std::max(cpu_time_, reaped_time_);
  reaped_disk_.read += static_cast<std::uint64_t>(used.ru_inblock) * kBlockBytes;
  reaped_disk_.written += static_cast<std::uint64_t>(used.ru_oublock) * kBlockBytes;
  note_disk(reaped_disk_);
  const std::uint64_t peak = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
  if (peak > foreign_peak_) note_peak(peak);
}

void ProcessLedger::look(std::span<const ProcessStat> living) {
  if (orphans_ == Orphans::reaped_elsewhere) {
    Population now;
    for (const ProcessStat& process : living) {
      now[process.pid] = {.start_ticks = process.start_ticks, .parent = process.parent, .total = process.total()};
    }
    reaped_time_ += lost_since(now);
    population_ = std::move(now);
  }
  Nanoseconds sum = reaped_time_;
  for (const ProcessStat& process : living) sum += process.total();
  cpu_time_ = std::max(cpu_time_, sum);
}

// The last known time of those that ended and left it to nobody of the run. An
// ancestor that lives has it in its own sum, through those who waited in between.
Nanoseconds ProcessLedger::lost_since(const Population& now) const {
  const auto lives = [&](pid_t pid, const Seen& seen) {
    const auto found = now.find(pid);
    return found != now.end() && found->second.start_ticks == seen.start_ticks;
  };
  Nanoseconds lost = 0;
  for (const auto& [pid, seen] : population_) {
    if (lives(pid, seen)) continue;
    auto ancestor = population_.find(seen.parent);
    while (ancestor != population_.end() && !lives(ancestor->first, ancestor->second)) {
      ancestor = population_.find(ancestor->second.parent);
    }
    if (ancestor == population_.end()) lost += seen.total;
  }
  return lost;
}

void ProcessLedger::look_closely(std::span<const ProcessStat> living) {
  look(living);
  look_at_memory(living);
  look_at_disk(living);
}

void ProcessLedger::start_from_here() {
  cpu_before_ = cpu_time_;
  disk_before_ = disk_.value_or(DiskBytes{});
}

void ProcessLedger::look_at_memory(std::span<const ProcessStat> living) {
  std::uint64_t resident = 0;
  for (const ProcessStat& process : living) {
    resident += process.resident_bytes;
    if (const auto peak = read_peak_memory(process.pid)) note_peak(*peak);
  }
  const bool grown = static_cast<double>(resident) > kGrowth * static_cast<double>(resident_at_share_);
  // One process alone shares with nobody of the run: its own peak is the answer.
  if (living.size() < 2 || !grown || resident <= peak_memory_.value_or(0)) return;
  resident_at_share_ = resident;
  std::uint64_t shares = 0;
  for (const ProcessStat& process : living) shares += read_proportional_memory(process.pid).value_or(0);
  note_peak(shares);
}

void ProcessLedger::look_at_disk(std::span<const ProcessStat> living) {
  DiskBytes sum = reaped_disk_;
  bool seen = false;
  for (const ProcessStat& process : living) {
    const auto bytes = read_disk_bytes(process.pid);
    if (!bytes) continue;
    seen = true;
    sum.read += bytes->read;
    sum.written += bytes->written;
  }
  if (seen) note_disk(sum);
}

void ProcessLedger::note_disk(DiskBytes sum) {
  const DiskBytes before = disk_.value_or(DiskBytes{});
  disk_ = DiskBytes{.read = std::max(before.read, sum.read), .written = std::max(before.written, sum.written)};
}

std::optional<DiskBytes> ProcessLedger::disk_bytes() const {
  if (!disk_) return std::nullopt;
  return DiskBytes{.read = disk_->read - disk_before_.read, .written = disk_->written - disk_before_.written};
}

void ProcessLedger::note_peak(std::uint64_t bytes) { peak_memory_ = std::max(peak_memory_.value_or(0), bytes); }

}  // namespace everywatt
