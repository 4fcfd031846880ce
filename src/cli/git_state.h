// What is checked out where a job starts, read from .git without starting git.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

namespace everywatt {

// The folder that holds .git, upward from here; none: no repository.
std::optional<std::filesystem::path> repository_around(const std::filesystem::path& folder);

// The commit; empty: not known.
std::string git_commit(const std::filesystem::path& repository);

// "false": each tracked file is as the index has it, and the index as it was last written as a tree. "true": one is
// not. "unknown": telling it would take reading contents (a file was touched and has its size still, something was
// staged), or the index is of a kind that is not read. Files that are not tracked do not matter. Looks at each file.
std::string git_dirty(const std::filesystem::path& repository);

}  // namespace everywatt
