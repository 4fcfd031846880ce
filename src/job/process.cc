#include "job/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/text.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

std::string proc_path(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string{file};
}

// /proc/self names us by the number that its own namespace knows us by.
bool proc_is_ours() {
  static const bool ours = [] {
    std::array<char, 32> name;
    const ssize_t size = ::readlink("/proc/self", name.data(), name.size());
    return size > 0 && parse_i64({name.data(), static_cast<std::size_t>(size)}) == ::getpid();
  }();
  return ours;
}

Nanoseconds from_ticks(std::uint64_t ticks) {
  static const Nanoseconds tick = kSecond / std::max(1L, ::sysconf(_SC_CLK_TCK));
  return static_cast<Nanoseconds>(ticks) * tick;
}

// "VmHWM:     5212 kB" of status, smaps_rollup and their like.
std::optional<std::uint64_t> labelled(std::string_view text, std::string_view label) {
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with(label)) continue;
    const auto fields = words(line.substr(label.size()));
    return fields.empty() ? std::nullopt : parse_u64(fields[0]);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> labelled_kilobytes(pid_t pid, std::string_view file, std::string_view label) {
  if (!proc_is_ours()) return std::nullopt;
  const auto text = read_text(proc_path(pid, file));
  if (!text) return std::nullopt;
  const auto kilobytes = labelled(*text, label);
  return kilobytes ? std::optional{*kilobytes * 1024} : std::nullopt;
}

std::vector<pid_t> numbered_entries(const fs::path& folder) {
  std::vector<pid_t> pids;
  std::error_code error;
  for (fs::directory_iterator entry{folder, error}, end; !error && entry != end; entry.increment(error)) {
    const auto number = parse_i64(entry->path().filename().native());
    if (number) pids.push_back(static_cast<pid_t>(*number));
  }
  return pids;
}

// Kernels without CONFIG_PROC_CHILDREN: everybody is asked for the parent.
std::vector<pid_t> children_by_parent(pid_t parent) {
  std::vector<pid_t> children;
  for (const pid_t pid : numbered_entries("/proc")) {
    const auto stat = read_process(pid);
    if (stat && stat->parent == parent) children.push_back(pid);
  }
  return children;
}

bool kernel_lists_children() {
  static const bool listed = ::access("/proc/thread-self/children", F_OK) == 0;
  return listed;
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view line) {
  const auto open = line.find('(');
  const auto close = line.rfind(')');
  if (open == line.npos || close == line.npos || close < open) return std::nullopt;
  const auto pid = parse_i64(trim(line.substr(0, open)));
  // Numbers as in proc(5); what follows the name begins with field 3.
  const auto fields = words(line.substr(close + 1));
  const auto field = [&](std::size_t number) {
    return fields.size() > number - 3 ? parse_u64(fields[number - 3]) : std::nullopt;
  };
  const auto parent = field(4), user = field(14), system = field(15), waited_user = field(16),
             waited_system = field(17), start = field(22), pages = field(24);
  if (!pid || !parent || !user || !system || !waited_user || !waited_system || !start || !pages) return std::nullopt;
  static const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return ProcessStat{.pid = static_cast<pid_t>(*pid),
                     .parent = static_cast<pid_t>(*parent),
                     .name = std::string{line.substr(open + 1, close - open - 1)},
                     .ended = fields[0] == "Z" || fields[0] == "X",
                     .cpu_time = from_ticks(*user + *system),
                     .waited_time = from_ticks(*waited_user + *waited_system),
                     .start_ticks = *start,
                     .resident_bytes = *pages * page_size};
}

std::optional<ProcessStat> read_process(pid_t pid) {
  if (!proc_is_ours()) return std::nullopt;
  const Fd file{::open(proc_path(pid, "stat").c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) return std::nullopt;
  std::array<char, 1024> line;
  const ssize_t size = ::read(file.get(), line.data(), line.size());
  return size > 0 ? parse_process_stat({line.data(), static_cast<std::size_t>(size)}) : std::nullopt;
}

std::vector<pid_t> children_of(pid_t pid) {
  if (!proc_is_ours()) return {};
  if (!kernel_lists_children()) return children_by_parent(pid);
  std::vector<pid_t> children;
  for (const pid_t thread : numbered_entries(proc_path(pid, "task"))) {
    const auto text = read_text(proc_path(pid, "task/" + std::to_string(thread) + "/children"));
    if (!text) continue;
    for (const std::string_view word : words(*text)) {
      if (const auto child = parse_i64(word)) children.push_back(static_cast<pid_t>(*child));
    }
  }
  return children;
}

std::vector<ProcessStat> look_at_trees(std::span<const pid_t> roots) {
  std::vector<ProcessStat> found;
  std::set<pid_t> seen;
  std::vector<pid_t> generation{roots.begin(), roots.end()};
  while (!generation.empty()) {
    std::vector<pid_t> next;
    for (const pid_t pid : generation) {
      if (!seen.insert(pid).second) continue;
      auto stat = read_process(pid);
      if (!stat) continue;
      found.push_back(*std::move(stat));
      std::ranges::copy(children_of(pid), std::back_inserter(next));
    }
    generation = std::move(next);
  }
  return found;
}

std::vector<ProcessStat> look_at(std::span<const pid_t> pids) {
  std::vector<ProcessStat> found;
  for (const pid_t pid : pids) {
    if (auto stat = read_process(pid)) found.push_back(*std::move(stat));
  }
  std::ranges::sort(found, {}, [](const ProcessStat& process) { return std::pair{process.start_ticks, process.pid}; });
  return found;
}

bool descends_from(pid_t pid, pid_t ancestor) {
  constexpr int kDeepest = 256;  // a loop is impossible in one moment, but these are several
  for (int depth = 0; depth < kDeepest && pid > 0; ++depth) {
    const auto stat = read_process(pid);
    if (!stat) return false;
    if (stat->parent == ancestor) return true;
    pid = stat->parent;
  }
  return false;
}

std::optional<DiskBytes> read_disk_bytes(pid_t pid) {
  if (!proc_is_ours()) return std::nullopt;
  const auto text = read_text(proc_path(pid, "io"));
  if (!text) return std::nullopt;
  const auto read = labelled(*text, "read_bytes:");
  const auto written = labelled(*text, "write_bytes:");
  if (!read || !written) return std::nullopt;
  return DiskBytes{.read = *read, .written = *written};
}

std::optional<std::uint64_t> read_peak_memory(pid_t pid) { return labelled_kilobytes(pid, "status", "VmHWM:"); }

std::optional<std::uint64_t> read_proportional_memory(pid_t pid) {
  return labelled_kilobytes(pid, "smaps_rollup", "Pss:");
}

}  // namespace everywatt
