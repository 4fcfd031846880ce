// With which libraries a process computes, as its mapped files tell: nothing is loaded and nothing asked of it. Of a
// Python package that has mapped a library the version is the one that its installation states beside it.
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

namespace everywatt {

// "cudnn" → "9.1.0", "torch" → "2.4.1+cu121", "python" → "3.11". `maps`: /proc/PID/maps; `root`: what the process sees
// as "/".
std::map<std::string, std::string> software_in(std::string_view maps, const std::filesystem::path& root);

// "world_size", "seed_pythonhashseed": what the process was started with. `environment`: /proc/PID/environ.
std::map<std::string, std::string> settings_in(std::string_view environment);

// Both of a process; nothing of one that may not be looked at. Takes a millisecond or a few.
std::map<std::string, std::string> software_of(pid_t pid);

}  // namespace everywatt
