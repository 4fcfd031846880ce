#include "net/retry.h"

#include <algorithm>

namespace everywatt {

bool is_passing(int status) {
  return status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501);
}

Nanoseconds Backoff::failed(std::optional<Nanoseconds> asked) {
  Nanoseconds whole = settings_.first;
  for (int i = 0; i < failures_ && whole < settings_.longest; ++i) whole *= 2;
  whole = std::min(whole, settings_.longest);
  ++failures_;
  const Nanoseconds wait = std::uniform_int_distribution<Nanoseconds>{whole / 2, whole}(chance_);
  return std::max(wait, std::min(asked.value_or(0), settings_.longest_asked));
}

}  // namespace everywatt
