// Where the kernel's control groups are found: the mounts of this process and
// the group of any process, as one folder. Version 2 stands alone, below
// /sys/fs/cgroup/unified beside version 1, or within a container's own view.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace everywatt {

struct CgroupMount {
  std::filesystem::path point;  // where it is mounted
  std::filesystem::path root;   // which part of the hierarchy is to be seen there
};

// From the text of /proc/PID/mountinfo. `controller` is a controller of
// version 1, or empty for version 2.
std::optional<CgroupMount> find_cgroup_mount(std::string_view mountinfo, std::string_view controller);

// From the text of /proc/PID/cgroup, likewise: "/user.slice/session-1.scope".
std::optional<std::string> find_cgroup_path(std::string_view cgroup, std::string_view controller);

// The folder of the process's group, and the mount that it lies in.
struct CgroupFolder {
  std::filesystem::path mount;
  std::filesystem::path folder;
};
std::optional<CgroupFolder> cgroup_folder_of(pid_t pid, std::string_view controller = {});

}  // namespace everywatt
