// NVIDIA's library, opened where it is found and never linked. Functions that a
// driver lacks are null: each is asked for before it is called.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>

#include "base/result.h"
#include "sources/nvml_abi.h"

namespace everywatt::nvml {

struct Functions {
#define EVERYWATT_NVML_MEMBER(name, symbol, ...) std::add_pointer_t<__VA_ARGS__> name = nullptr;
  EVERYWATT_NVML_FUNCTIONS(EVERYWATT_NVML_MEMBER)
#undef EVERYWATT_NVML_MEMBER
};

// The library, initialised; shut down with the last that holds it.
class Library {
 public:
  // Takes as long as the driver does, which may be for ever. Errc::absent: no
  // such library or no driver; denied: no permission; io: one that is not NVML,
  // or of another version than the kernel's module.
  static Result<std::shared_ptr<Library>> open(const std::filesystem::path& path);
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library();

  const Functions call;

 private:
  explicit Library(const Functions& functions) : call{functions} {}
};

// What a status says, in words: "GPU is lost".
std::string_view words_of(Return status);

// A function that may be absent, called with its arguments.
template <class... Parameters, class... Arguments>
Return call_if_there(Return (*function)(Parameters...), Arguments... arguments) {
  return function ? function(arguments...) : Return::function_not_found;
}

}  // namespace everywatt::nvml
