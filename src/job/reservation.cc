#include "job/reservation.h"

#include <sched.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/file.h"
#include "base/text.h"
#include "job/gpu_reservation.h"
#include "job/job.h"
#include "job/mounts.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

std::optional<double> quotient(std::string_view quota, std::string_view period) {
  const auto time = parse_double(quota);
  const auto each = parse_double(period);
  // "max" and -1 are no limit.
  if (!time || !each || *time <= 0 || *each <= 0) return std::nullopt;
  return *time / *each;
}

std::optional<double> quota_of_group(const fs::path& folder) {
  if (const auto limit = read_line(folder / "cpu.max")) {
    const auto fields = words(*limit);
    return fields.size() == 2 ? quotient(fields[0], fields[1]) : std::nullopt;
  }
  const auto quota = read_line(folder / "cpu.cfs_quota_us");
  const auto period = read_line(folder / "cpu.cfs_period_us");
  return quota && period ? quotient(*quota, *period) : std::nullopt;
}

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> threads;
  std::error_code error;
  for (fs::directory_iterator entry{"/proc/" + std::to_string(pid) + "/task", error}, end; !error && entry != end;
       entry.increment(error)) {
    if (const auto thread = parse_i64(entry->path().filename().native()))
      threads.push_back(static_cast<pid_t>(*thread));
  }
  return threads.empty() ? std::vector{pid} : threads;
}

// Cpusets are in it: the kernel never lets an affinity leave its cpuset. All
// threads count, since many programs pin each of their threads to one CPU.
std::set<unsigned> allowed_cpus(pid_t pid) {
  constexpr std::size_t kMostCpus = 8192;  // CONFIG_NR_CPUS of the largest kernels
  std::set<unsigned> cpus;
  cpu_set_t* mask = CPU_ALLOC(kMostCpus);
  const std::size_t size = CPU_ALLOC_SIZE(kMostCpus);
  for (const pid_t thread : threads_of(pid)) {
    CPU_ZERO_S(size, mask);
    if (::sched_getaffinity(thread, size, mask) != 0) continue;
    for (unsigned cpu = 0; cpu < kMostCpus; ++cpu) {
      if (CPU_ISSET_S(cpu, size, mask)) cpus.insert(cpu);
    }
  }
  CPU_FREE(mask);
  return cpus;
}

std::optional<double> quota_of(pid_t pid) {
  std::optional<double> least;
  for (const std::string_view controller : {"", "cpu"}) {
    const auto group = cgroup_folder_of(pid, controller);
    const auto quota = group ? cpu_quota(group->mount, group->folder) : std::nullopt;
    if (quota) least = std::min(least.value_or(*quota), *quota);
  }
  return least;
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& mount, fs::path folder) {
  std::optional<double> least;
  for (;;) {
    const auto quota = quota_of_group(folder);
    if (quota) least = std::min(least.value_or(*quota), *quota);
    if (folder == mount || !folder.has_relative_path()) return least;
    folder = folder.parent_path();
  }
}

Reservation reservation_of(pid_t pid, std::span<const Device> gpus, const Roots& roots) {
  Reservation reservation{.gpus = gpus_reserved_by(pid, gpus, roots.proc)};
  const std::set<unsigned> allowed = allowed_cpus(pid);
  if (allowed.empty()) return reservation;
  const auto text = read_line("/sys/devices/system/cpu/online");
  const auto online = text ? parse_cpu_list(*text) : std::nullopt;
  if (!online) return reservation;
  std::vector<unsigned> usable;
  std::ranges::set_intersection(std::set<unsigned>{online->begin(), online->end()}, allowed,
                                std::back_inserter(usable));
  const auto quota = quota_of(pid);
  if (quota && *quota < static_cast<double>(usable.size())) reservation.quota = quota;
  if (reservation.quota || usable.size() < online->size()) reservation.cpus = std::move(usable);
  return reservation;
}

}  // namespace everywatt
