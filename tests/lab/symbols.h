// A shared library with some functions taken away, so that dlsym finds none, as
// with a driver that does not have them yet.
#pragma once
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace everywatt::lab {

// The copy at `to` (its folder must be there) has no symbol for which `is_taken` is
// true; the code stays. Errc::malformed: `library` is no 64-bit ELF library.
Result<void> copy_without(const std::filesystem::path& library, const std::function<bool(std::string_view)>& is_taken,
                          const std::filesystem::path& to);

}  // namespace everywatt::lab
