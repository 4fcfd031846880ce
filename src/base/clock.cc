#include "base/clock.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace everywatt {
namespace {

Nanoseconds read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<Nanoseconds>(t.tv_sec) * kSecond + t.tv_nsec;
}

}  // namespace

Instant RealClock::now() { return {.steady = steady(), .wall = read_clock(CLOCK_REALTIME)}; }
Nanoseconds RealClock::steady() { return read_clock(CLOCK_MONOTONIC); }

std::string iso_time(Nanoseconds wall) {
  // Towards the past, so that times before 1970 come out right too.
  const Nanoseconds milliseconds = wall >= 0 ? wall / kMillisecond : (wall - kMillisecond + 1) / kMillisecond;
  const Nanoseconds seconds = milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000;
  const time_t second = static_cast<time_t>(seconds);
  tm parts{};
  gmtime_r(&second, &parts);
  std::array<char, 64> text;
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> fraction;
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(milliseconds - seconds * 1000));
  return std::string{text.data(), length} + fraction.data();
}

}  // namespace everywatt
