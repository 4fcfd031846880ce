// The law of the ledger: for each device and each stretch of time
//   busy + idle + other + unattributed = energy measured, to the microjoule.
// Pure functions over integers (ARCHITECTURE.md, "The accounts").
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "model/microjoules.h"

namespace everywatt {

enum class Account : std::uint8_t { busy, idle, other, unattributed };
inline constexpr std::array kAccounts = {Account::busy, Account::idle, Account::other, Account::unattributed};
std::string_view to_string(Account);

// A run's part of one device, or the sum over devices.
struct Accounts {
  MicroJoules busy = 0;          // drawn by the run's own work
  MicroJoules idle = 0;          // drawn by nobody's work on what the run had reserved
  MicroJoules other = 0;         // belongs to others
  MicroJoules unattributed = 0;  // nobody reserved it, or nobody can tell
  [[nodiscard]] MicroJoules measured() const { return busy + idle + other + unattributed; }
  [[nodiscard]] MicroJoules total() const { return busy + idle; }  // what is charged to the run
  MicroJoules& operator[](Account account);
  MicroJoules operator[](Account account) const;
  Accounts& operator+=(const Accounts& more);
  Accounts& operator-=(const Accounts& less);
  bool operator==(const Accounts&) const = default;
};

// A device that works for less of the time than one part in 256 is at rest: what is told of it is noise, nobody's.
constexpr bool is_at_rest(Nanoseconds worked, Nanoseconds capacity) { return worked * 256 < capacity; }

// One run's use of one device within a window.
struct Use {
  Nanoseconds busy = 0;        // device time that the run's work took: CPU time summed over CPUs
  std::uint64_t reserved = 0;  // weight of its reservation, see idle_weights()
  Nanoseconds beside = 0;      // its part of Window::worked_beside
};

struct Window {
  MicroJoules energy = 0;
  Nanoseconds length = 0;
  Nanoseconds capacity = 0;                // length × CPUs of the device
  std::optional<Nanoseconds> worked = {};  // device time that anyone's work took; none: not known
  Power floor = {};                        // what the device draws when nobody works
  std::uint64_t unreserved = 0;            // weight of the idle share that no known run reserves
  // Where `worked` is not known: what was drawn goes to the reservations, as work; else to nobody.
  bool by_share = false;
  // Of a sensor that shows means over so long that a quiet window holds what was drawn beside it: device time that
  // anyone's work took there. What exceeds the floor is then theirs; 0: it is idle.
  Nanoseconds worked_beside = 0;
};

// What each run gets; `other` and `unattributed` are seen from outside all of them.
struct Booking {
  struct Part {
    MicroJoules busy = 0;
    MicroJoules idle = 0;
  };
  std::vector<Part> runs;
  MicroJoules other = 0;
  MicroJoules unattributed = 0;
  // The same window as one of its runs sees it: what the others got is `other`.
  [[nodiscard]] Accounts seen_by(std::size_t run) const;
};

// Books one window. Runs are ordered by id (equal remainders go to the first).
Booking book(const Window& window, std::span<const Use> runs);

// What a run has set aside of a machine's CPUs; none of the two: it takes what
// is there, evenly with the others that say nothing.
struct Reservation {
  std::optional<std::vector<unsigned>> cpus = {};  // cpuset or affinity narrower than the machine
  std::optional<double> quota = {};  // CPUs' worth of time, spread over `cpus` (the device's where not set)
  std::optional<std::vector<std::string>> gpus = {};  // "GPU-8a1c…", "MIG-…"; none: not said
  [[nodiscard]] bool is_explicit() const { return cpus || quota; }
};

// How the idle energy of a device with these CPUs is divided: a weight per run
// and one for what nobody reserves. Where explicit reservations overlap, each
// CPU goes to its holders evenly; together they never exceed the device. The
// weights sum to kWholeDevice.
inline constexpr std::uint64_t kWholeDevice = 1'000'000'000;
struct IdleWeights {
  std::vector<std::uint64_t> runs;
  std::uint64_t unreserved = 0;
};
IdleWeights idle_weights(std::span<const unsigned> cpus, std::span<const Reservation> runs);

}  // namespace everywatt
