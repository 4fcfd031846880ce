// Where readings come from. A Source reads one family of sensors and knows
// neither a clock nor the real /sys: the loop stamps each call before and
// after, and the roots come in through open(). A Source that exists works.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/roots.h"
#include "model/device.h"

namespace everywatt {

class Source {
 public:
  virtual ~Source() = default;
  // What was found; fixed for the life of the source.
  virtual const Inventory& inventory() const = 0;
  // Appends a reading for each channel that answered; a channel that did not is
  // simply missing this tick. An error means that something could not be read
  // (a zone vanished, a text was no number): readings appended before it hold,
  // the loop counts and shows the error and asks again next tick. Called from one thread.
  virtual Result<void> sample(std::vector<Reading>& out) = 0;
  // The same as one of a steady series on the loop's grid, of which `tick` is the number: what costs much is read with
  // some of them only (Channel::spacing), the same for all who read the machine.
  virtual Result<void> sample_on_pace([[maybe_unused]] std::uint64_t tick, std::vector<Reading>& out) {
    return sample(out);
  }
  // The same as one of many within moments: what is no sensor of energy or power may be left out.
  virtual Result<void> sample_quickly(std::vector<Reading>& out) { return sample(out); }
  // As one of many until a renewal of each register is seen (meter/side_reader.h): what costs much may be left out
  // then.
  virtual Result<void> sample_in_hunt(std::vector<Reading>& out) { return sample_quickly(out); }
};

// A device that takes its time to open, or never does. One that fails to may be opened later.
struct SlowDevice {
  std::string name;  // GPU 1
  std::function<Result<std::unique_ptr<Source>>()> open;
};

// A family whose library takes its time to start, or never does: starts it and
// says which devices there are, each to be opened as a source of its own, so
// that one that does not answer holds up no other. All are called on threads beside the loop.
using SlowOpen = std::function<Result<std::vector<SlowDevice>>()>;

// Errc::absent: no such sensor on this machine (quiet). Errc::denied: it is
// there and may not be read (the message names the remedy). One of the two:
struct SourceKind {
  std::string_view name;  // rapl-powercap
  std::string_view help;  // one line: what it measures, through what
  Result<std::unique_ptr<Source>> (*open)(const Roots&) = nullptr;
  Result<SlowOpen> (*find)(const Roots&) = nullptr;  // answers at once whether there is anything to open
};

}  // namespace everywatt
