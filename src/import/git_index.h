// Git's index (.git/index, gitformat-index(5)), versions 2 and 3: what was checked out or staged, and how each file
// looked then. Of repositories with SHA-1 names. What git itself would tell by reading files' contents is not told
// here.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace everywatt {

struct GitIndex {
  struct File {
    std::string path;
    std::uint32_t modified_seconds = 0;
    std::uint32_t modified_nanoseconds = 0;  // 0: git kept none
    std::uint32_t size = 0;                  // modulo 2^32
    bool is_plain = true;                    // no link, no submodule
    bool is_trusted = false;                 // git was told not to look at it
  };
  std::vector<File> files;
  bool has_conflicts = false;
  bool is_written_as_tree = false;  // nothing was staged since all of it was written as one tree, as a commit does
};

// Errc::malformed: no index of a kind that is known here; the text says why.
Result<GitIndex> read_git_index(std::string_view bytes);

}  // namespace everywatt
