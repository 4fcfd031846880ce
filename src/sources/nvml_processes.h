// Who has a context on a GPU, in whatever form the driver tells it: three forms have come since 2011, and one of them
// changed its size without changing its name.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sources/nvml_library.h"

namespace everywatt::nvml {

class Processes {
 public:
  explicit Processes(std::shared_ptr<Library> library) : library_{std::move(library)} {}

  enum class Kind { compute, graphics, mps };
  // Success: there is such a list.
  [[nodiscard]] Return is_told(Kind kind, Device device) const;
  // Of one call, which the next overwrites. None: it is not told.
  std::optional<std::span<const ProcessInfo>> list(Kind kind, Device device);

 private:
  struct Function {
    Return (*newest)(Device, std::uint32_t*, void*);
    Return (*old)(Device, std::uint32_t*, OldProcessInfo*);
    Return operator()(Device device, std::uint32_t* count, void* into) const;
  };
  [[nodiscard]] Function function_of(Kind kind) const;
  void take(const Function& function, std::size_t count);

  std::shared_ptr<Library> library_;
  std::size_t room_ = 16;        // processes on one GPU; more are asked for once more
  std::vector<std::byte> told_;  // as the driver writes it
  std::vector<ProcessInfo> processes_;
};

}  // namespace everywatt::nvml
