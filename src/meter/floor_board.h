// The floors that all everywatts of a host divide by while they share it.
// Anyone may propose. Where others are there, a proposal takes effect at a
// second yet to come, so that all who close a window that begins then find the
// same figure; one who is alone binds nobody but those who come later. Plain
// data; the file it lies in is Presence's.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/units.h"
#include "meter/tenancy.h"

namespace everywatt {

struct ProposedFloor {
  std::string_view device;  // its id, which lives elsewhere
  Power floor;
};

class FloorBoard {
 public:
  // The floor in effect at a time; none: nobody has proposed one for it.
  [[nodiscard]] std::optional<Power> agreed(std::string_view device, Nanoseconds at) const;

  // Whether a proposal changes the board: the device is new to it, or the floor moved by
  // more than a little since the last proposal (in company: some time ago).
  [[nodiscard]] bool is_news(std::string_view device, Power floor, Nanoseconds now, Company company) const;
  // True if the board changed.
  bool propose(std::string_view device, Power floor, Nanoseconds now, Company company);

  [[nodiscard]] std::string format() const;
  // Lines that are no proposal are passed over: a board is never broken, only emptier.
  static FloorBoard parse(std::string_view text);

 private:
  struct Proposal {
    std::string device;
    Nanoseconds from = 0;  // CLOCK_MONOTONIC
    double watts = 0;
  };
  std::vector<Proposal> proposals_;  // in the order they were made
};

}  // namespace everywatt
