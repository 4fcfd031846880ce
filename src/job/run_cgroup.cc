#include "job/run_cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "job/job.h"
#include "job/mounts.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

// The group and all below it, each before those below it.
std::vector<fs::path> groups_below(const fs::path& group) {
  std::vector<fs::path> found{group};
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::error_code error;
    const fs::path folder = found[i];
    for (fs::directory_iterator entry{folder, error}, end; !error && entry != end; entry.increment(error)) {
      if (entry->is_directory(error) && !error) found.push_back(entry->path());
    }
  }
  return found;
}

// As far as they are empty; the kernel refuses the others.
void remove_group(const fs::path& group) {
  auto groups = groups_below(group);
  std::ranges::reverse(groups);
  for (const fs::path& each : groups) ::rmdir(each.c_str());
}

std::string owner_suffix(pid_t pid) {
  return "." + std::to_string(pid) + "-" + std::to_string(start_ticks_of(pid).value_or(0));
}

bool is_abandoned(std::string_view name) {
  const auto dot = name.rfind('.');
  if (!name.starts_with(RunCgroup::kPrefix) || dot == name.npos) return false;
  const std::string_view owner = name.substr(dot);
  const auto dash = owner.find('-');
  const auto pid = dash == owner.npos ? std::nullopt : parse_u64(owner.substr(1, dash - 1));
  return pid && owner_suffix(static_cast<pid_t>(*pid)) != owner;
}

// What runs left behind whose supervisor was killed, or whose processes outlived it.
void sweep(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator entry{folder, error}, end; !error && entry != end; entry.increment(error)) {
    if (is_abandoned(entry->path().filename().native())) remove_group(entry->path());
  }
}

}  // namespace

Result<RunCgroup> RunCgroup::make(const std::string& name) {
  const auto ours = cgroup_folder_of(::getpid());
  if (!ours) return fail(Errc::absent, "no cgroup version 2 is mounted");
  sweep(ours->folder);
  const fs::path path = ours->folder / (name + owner_suffix(::getpid()));
  if (::mkdir(path.c_str(), 0755) != 0) return fail_errno(errno, "make cgroup " + path.string());
  Fd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  auto cpu_stat = PolledFile::open(path / "cpu.stat");
  if (!directory || !cpu_stat) {
    ::rmdir(path.c_str());
    return fail(Errc::denied, "open cgroup " + path.string());
  }
  return RunCgroup{path, std::move(directory), *std::move(cpu_stat)};
}

RunCgroup::~RunCgroup() {
  if (directory_) remove_group(path_);
}

Result<Nanoseconds> RunCgroup::cpu_time() const {
  std::array<char, 1024> buffer;
  TRY(const std::string_view text, cpu_stat_.read(buffer.data(), buffer.size()));
  const auto time = parse_cpu_stat(text);
  if (!time) return fail(Errc::malformed, cpu_stat_.path().string() + ": no usage_usec");
  return *time;
}

std::optional<std::uint64_t> RunCgroup::peak_memory() const {
  const auto peak = read_u64(path_ / "memory.peak");
  return peak ? std::optional{*peak} : std::nullopt;
}

std::optional<DiskBytes> RunCgroup::disk_bytes() const {
  const auto text = read_text(path_ / "io.stat");
  return text ? std::optional{parse_io_stat(*text)} : std::nullopt;
}

std::vector<pid_t> RunCgroup::processes() const {
  std::vector<pid_t> pids;
  for (const fs::path& group : groups_below(path_)) {
    const auto text = read_text(group / "cgroup.procs");
    if (!text) continue;
    for (const std::string_view word : words(*text)) {
      // 0 is a process of another pid namespace that has no number in ours.
      if (const auto pid = parse_i64(word); pid && *pid > 0) pids.push_back(static_cast<pid_t>(*pid));
    }
  }
  return pids;
}

std::vector<std::uint64_t> RunCgroup::ids() const {
  std::vector<std::uint64_t> ids;
  for (const fs::path& group : groups_below(path_)) {
    struct stat info{};
    // The number of the group is that of its directory (kernfs).
    if (::stat(group.c_str(), &info) == 0) ids.push_back(info.st_ino);
  }
  return ids;
}

std::optional<Nanoseconds> parse_cpu_stat(std::string_view text) {
  constexpr std::string_view kLabel = "usage_usec ";
  for (const std::string_view line : split(text, '\n')) {
    if (!line.starts_with(kLabel)) continue;
    const auto microseconds = parse_i64(trim(line.substr(kLabel.size())));
    return microseconds ? std::optional<Nanoseconds>{*microseconds * 1000} : std::nullopt;
  }
  return std::nullopt;
}

DiskBytes parse_io_stat(std::string_view text) {
  DiskBytes sum;
  for (const std::string_view word : words(text)) {
    const auto equals = word.find('=');
    if (equals == word.npos) continue;
    const std::uint64_t bytes = parse_u64(word.substr(equals + 1)).value_or(0);
    if (word.starts_with("rbytes=")) sum.read += bytes;
    if (word.starts_with("wbytes=")) sum.written += bytes;
  }
  return sum;
}

}  // namespace everywatt
