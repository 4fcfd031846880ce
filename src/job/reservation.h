// The parts of reservation_of(), which looks at what the kernel lets a process use.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace everywatt {

// CPUs' worth of time that the group `folder` or one above it, up to `mount`,
// may use: the least of them; none where none is limited. Version 2 writes
// cpu.max ("max 100000", "150000 100000"), version 1 cpu.cfs_quota_us and cpu.cfs_period_us.
std::optional<double> cpu_quota(const std::filesystem::path& mount, std::filesystem::path folder);

}  // namespace everywatt
