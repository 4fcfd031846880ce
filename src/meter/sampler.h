// The sources of a machine, opened once and read every tick: what answers,
// what is denied, what failed and how often. The only part of the meter that
// touches sources; it stamps each call before and after.
#pragma once
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/roots.h"
#include "meter/meter.h"
#include "sources/source.h"

namespace everywatt {

// What came of opening one family.
struct SourceState {
  std::string name;
  std::string help;
  enum class Kind { open, absent, denied, broken } kind = Kind::absent;
  std::string why = {};  // of all but open
};

class Sampler {
 public:
  Sampler(std::span<const SourceKind> kinds, const Roots& roots);

  [[nodiscard]] std::vector<const Inventory*> inventories() const;
  [[nodiscard]] const std::vector<SourceState>& states() const { return states_; }

  // One reading of all that the meter uses, handed on with its stamps and with
  // those that waited.
  void sample_edge(Clock& clock, Meter& meter);
  // One reading of what the meter uses at each tick. It waits for the next
  // edge: a tick finds the processor's caches cold, and the less code it
  // touches the less it costs.
  void sample_tick(Clock& clock);
  // Whether there is anything to read between the edges.
  [[nodiscard]] bool has_ticks() const { return !ticking_.empty(); }

  // Failures since the last call, each text once: "read …/energy_uj: No such device".
  std::vector<std::string> take_failures();

 private:
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<SourceState> states_;
  struct Call {
    std::size_t source = 0;
    Stamp stamp;
    std::size_t readings = 0;  // that it gave
  };
  void call(Clock& clock, std::size_t source, Nanoseconds& before);

  std::vector<std::size_t> ticking_;               // sources read at each tick
  std::vector<Call> calls_;                        // since the last edge
  std::vector<Reading> readings_;                  // of these calls, in their order
  std::map<std::string, std::uint64_t> failures_;  // and how often each was seen
  std::vector<std::string> new_failures_;
};

}  // namespace everywatt
