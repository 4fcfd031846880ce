// The sources of a machine, opened once and read on the ticks: what answers,
// what is denied, what failed and how often. The only part of the meter that
// touches sources; it stamps each call before and after.
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/roots.h"
#include "meter/meter.h"
#include "meter/side_reader.h"
#include "sources/source.h"

namespace everywatt {

// What came of opening one family.
struct SourceState {
  std::string name;
  std::string help;
  enum class Kind { open, absent, denied, broken, starting } kind = Kind::absent;
  std::string why = {};  // of all but open
  // Devices that have not come up and still may; none beside a library that has not answered itself.
  struct Missing {
    std::string device;        // GPU 1
    std::string refusal = {};  // empty: it has not answered
  };
  std::vector<Missing> missing = {};
};

class Sampler {
 public:
  // The grid on which all everywatts of a host read: multiples of it on CLOCK_MONOTONIC.
  static constexpr Nanoseconds kTick = 100 * kMillisecond;

  // Where families that may take their time are opened and read: beside the
  // loop, on threads of their own, or in it, as virtual time wants it.
  enum class Slow { beside, here };
  Sampler(std::span<const SourceKind> kinds, const Roots& roots, Slow slow = Slow::beside);

  [[nodiscard]] std::vector<const Inventory*> inventories() const;
  // True if a family or a device came up since the last call or failed to: inventories() and states() say more.
  bool take_arrivals();
  // Until all have come up or have failed to, at most so long.
  void wait_for_arrivals(Nanoseconds patience);
  [[nodiscard]] const std::vector<SourceState>& states() const { return states_; }

  // One reading of all that the meter uses, handed on with its stamps and with
  // those that waited. `patience`: for what is read beside the loop.
  void sample_edge(Clock& clock, Meter& meter, Nanoseconds patience = 0);
  // One reading of what is worth a look at each tick. It waits for the next
  // edge: a tick finds the processor's caches cold, and the less code it
  // touches the less it costs.
  void sample_tick(Clock& clock);
  // Has what is read beside the loop read so often that renewals of registers are seen.
  void hunt();
  // How soon the loop is to look again: at the next tick; now and then, for the shape of what lies between two
  // edges and for what was read beside it; or at the next edge.
  enum class Pace { ticks, leisurely, edges };
  [[nodiscard]] Pace pace() const;
  // Whether a hunt finds anything: something is read beside the loop.
  [[nodiscard]] bool has_prey() const { return reads_beside_; }

  // Failures since the last call, each text once: "read …/energy_uj: No such device".
  std::vector<std::string> take_failures();

 private:
  void note(const Result<void>& outcome);
  void note_state(std::size_t family, const Result<void>& opened);
  void open_here(std::size_t family, const SlowOpen& open);
  void note_missing();
  void take_from_beside();
  enum class Edge { usual, last };
  void ask_beside(Edge edge);

  std::vector<std::unique_ptr<Source>> owned_;
  std::vector<Source*> sources_;      // ours and those beside, in the order in which they came
  std::set<const Source*> beside_;    // those that are read there
  std::unique_ptr<SideReader> side_;  // none: nothing is slow here
  SideReader::Batch batch_;           // what was taken from there last
  bool reads_beside_ = false;         // the meter uses one of them, or one may still come
  std::vector<SourceState> states_;
  struct Call {
    std::size_t source = 0;
    Stamp stamp;
    std::size_t readings = 0;  // that it gave
  };
  void call(Clock& clock, std::size_t source, Nanoseconds& before);
  // Of a source in the loop, at an edge; it counts as read then.
  bool is_due(Meter::Reads reads, std::size_t source, Nanoseconds now, Edge edge);

  std::map<std::size_t, Nanoseconds> seconds_read_;  // by source that is read once a second: the second
  std::vector<std::size_t> ticking_;                 // sources read at each tick
  Pace pace_ = Pace::edges;                          // that they ask for
  std::vector<Call> calls_;                          // since the last edge
  std::vector<Reading> readings_;                    // of these calls, in their order
  std::map<std::string, std::uint64_t> failures_;    // and how often each was seen
  std::vector<std::string> new_failures_;
};

}  // namespace everywatt
