// When a request that failed is worth another try, and after how long. Pure:
// nobody waits here, and time is the caller's.
#pragma once
#include <cstdint>
#include <optional>
#include <random>

#include "base/clock.h"

namespace everywatt {

// Statuses after which the same request may succeed later: those that MLflow's own client retries
// (mlflow/utils/request_utils.py: 408, 425, 429, 500, 502, 503, 504) and the rest of 5xx but 501 (not implemented).
bool is_passing(int status);

struct BackoffSettings {
  Nanoseconds first = kSecond / 2;
  Nanoseconds longest = 30 * kSecond;
  Nanoseconds longest_asked = 300 * kSecond;  // of what a server asks for
};

// The wait doubles with each failure in a row. A part of it is left to chance, so that many clients do not come back
// together.
class Backoff {
 public:
  explicit Backoff(std::uint64_t seed, BackoffSettings settings = {}) : chance_{seed}, settings_{settings} {}
  void succeeded() { failures_ = 0; }
  // The wait before the next try: between half and the whole of the doubled one, and no less than what the server asked
  // for.
  Nanoseconds failed(std::optional<Nanoseconds> asked = {});

 private:
  std::mt19937_64 chance_;
  BackoffSettings settings_;
  int failures_ = 0;
};

}  // namespace everywatt
