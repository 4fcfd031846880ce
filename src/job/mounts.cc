#include "job/mounts.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace everywatt {
namespace {

// mountinfo writes blanks, tabs, line ends and backslashes as \ooo (proc(5)).
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] == '\\' && i + 3 < text.size() &&
                       std::ranges::all_of(text.substr(i + 1, 3), [](char c) { return c >= '0' && c <= '7'; });
    if (!octal) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return plain;
}

bool lists(std::string_view comma_separated, std::string_view word) {
  return std::ranges::count(split(comma_separated, ','), word) > 0;
}

}  // namespace

std::optional<CgroupMount> find_cgroup_mount(std::string_view mountinfo, std::string_view controller) {
  std::optional<CgroupMount> found;
  for (const std::string_view line : split(mountinfo, '\n')) {
    // 41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
    const auto fields = words(line);
    const auto dash = std::ranges::find(fields, std::string_view{"-"});
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const bool fits = controller.empty() ? dash[1] == "cgroup2" : dash[1] == "cgroup" && lists(dash[3], controller);
    // The latest mount is on top of the others.
    if (fits) found = CgroupMount{.point = unescaped(fields[4]), .root = unescaped(fields[3])};
  }
  return found;
}

std::optional<std::string> find_cgroup_path(std::string_view cgroup, std::string_view controller) {
  for (const std::string_view line : split(cgroup, '\n')) {
    // 0::/user.slice or 4:cpu,cpuacct:/user.slice; the path may hold colons
    const auto first = line.find(':');
    const auto second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const bool fits = controller.empty() ? line.starts_with("0::") : lists(controllers, controller);
    if (fits) return std::string{line.substr(second + 1)};
  }
  return std::nullopt;
}

std::optional<CgroupFolder> cgroup_folder_of(pid_t pid, std::string_view controller) {
  const auto mountinfo = read_text("/proc/self/mountinfo");
  const auto cgroup = read_text("/proc/" + std::to_string(pid) + "/cgroup");
  if (!mountinfo || !cgroup) return std::nullopt;
  const auto mount = find_cgroup_mount(*mountinfo, controller);
  const auto path = find_cgroup_path(*cgroup, controller);
  if (!mount || !path) return std::nullopt;
  const std::filesystem::path below = std::filesystem::path{*path}.lexically_relative(mount->root);
  // A group outside of what we can see.
  if (below.empty() || *below.begin() == "..") return std::nullopt;
  return CgroupFolder{.mount = mount->point, .folder = below == "." ? mount->point : mount->point / below};
}

}  // namespace everywatt
