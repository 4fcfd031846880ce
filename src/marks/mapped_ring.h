// A ring in our memory, mapped from the file that another process sent. Only a
// file that can never become shorter is mapped, so that reading it cannot fail
// later (SIGBUS).
#pragma once
#include <utility>

#include "base/file.h"
#include "base/result.h"
#include "marks/ring_layout.h"

namespace everywatt::marks {

class MappedRing {
 public:
  static Result<MappedRing> map(const Fd& file);
  MappedRing(MappedRing&& other) noexcept : ring_{std::exchange(other.ring_, nullptr)} {}
  MappedRing& operator=(MappedRing&& other) noexcept {
    std::swap(ring_, other.ring_);
    return *this;
  }
  ~MappedRing();
  Ring& ring() const { return *ring_; }
  // The pages stop counting as ours; what is in them stays.
  void forget_pages();

 private:
  explicit MappedRing(Ring* ring) : ring_{ring} {}
  Ring* ring_;
};

}  // namespace everywatt::marks
