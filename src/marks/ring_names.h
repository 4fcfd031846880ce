// The texts of a ring's names, read as they are added.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "marks/ring_layout.h"

namespace everywatt::marks {

class RingNames {
 public:
  Result<std::string> text_of(const Ring& ring, std::uint32_t number);

 private:
  Result<void> read_new(const Ring& ring);

  std::vector<std::string> texts_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace everywatt::marks
