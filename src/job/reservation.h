// The parts of reservation_of(), which looks at what the kernel lets a process use.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace everywatt {

// The GPUs that the variables of an environment (NAME=value, ended by NUL each) let
// a process see; none: no variable says, all are there.
std::optional<std::vector<std::string>> visible_gpus(std::string_view environment);

// The GPUs whose files a device cgroup of version 1 lets a process open, by devices.list ("c 195:0 rw", 195 being
// NVIDIA's major number); none: all of them. Version 2 keeps its rules in a program that nobody can read.
std::optional<std::vector<std::string>> allowed_gpus(std::string_view devices_list);

// CPUs' worth of time that the group `folder` or one above it, up to `mount`,
// may use: the least of them; none where none is limited. Version 2 writes
// cpu.max ("max 100000", "150000 100000"), version 1 cpu.cfs_quota_us and cpu.cfs_period_us.
std::optional<double> cpu_quota(const std::filesystem::path& mount, std::filesystem::path folder);

}  // namespace everywatt
