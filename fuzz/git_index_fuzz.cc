// Git's index. Whatever it says: no more files than there are bytes for, and cutting a byte off
// is noticed or leaves all files.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "import/git_index.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  const auto index = everywatt::read_git_index(bytes);
  if (!index) return 0;
  if (index->files.size() > size / 64) std::abort();
  const auto cut = everywatt::read_git_index(bytes.substr(0, size - 1));
  if (cut && cut->files.size() != index->files.size()) std::abort();
  return 0;
}
