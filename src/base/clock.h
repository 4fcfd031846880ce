// Time comes from outside. Differences come from CLOCK_MONOTONIC, labels from
// the wall clock: a jump of the wall clock moves labels, never joules. Nothing
// below the loop reads a clock.
#pragma once
#include <cstdint>
#include <string>

namespace everywatt {

using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;

// One moment on both clocks.
struct Instant {
  Nanoseconds steady = 0;  // CLOCK_MONOTONIC
  Nanoseconds wall = 0;    // since 1970-01-01 UTC
  bool operator==(const Instant&) const = default;
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() = 0;
};

class RealClock final : public Clock {
 public:
  Instant now() override;
  static Nanoseconds steady();  // of now(): half of its work
};

// A clock that a test moves by hand.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(Instant start = {.steady = 1000 * kSecond, .wall = 1'700'000'000 * kSecond}) : now_{start} {}
  Instant now() override { return now_; }
  void advance(Nanoseconds by) {
    now_.steady += by;
    now_.wall += by;
  }
  void jump_wall(Nanoseconds by) { now_.wall += by; }

 private:
  Instant now_;
};

// ISO 8601 in UTC with milliseconds, as everywhere in our JSON: 2026-11-24T03:02:01.123Z
std::string iso_time(Nanoseconds wall);

// The next multiple of the period after `now`. All meters of a host tick on
// this one grid; a tick that comes late is dropped, not bunched.
constexpr Nanoseconds next_on_grid(Nanoseconds now, Nanoseconds period) { return now + (period - now % period); }

}  // namespace everywatt
