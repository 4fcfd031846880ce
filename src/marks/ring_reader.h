// Reads the marks out of one ring. What stands in the ring was written by a
// process that may have died in the midst of it, or that means us no good: every
// word is read once, copied, and then judged. A ring that contradicts itself
// gives one line that says so; it is not to be read again.
//
// The memory must stay mapped and must not become shorter (mapped_ring.h).
#pragma once
#include <cstdint>
#include <functional>
#include <limits>

#include "base/result.h"
#include "marks/ring_layout.h"
#include "marks/ring_names.h"
#include "marks/slot_copy.h"
#include "model/mark.h"

namespace everywatt::marks {

// Who writes: as the supervisor knows the process, and by the number it knows itself (that of another pid namespace).
struct Writer {
  ProcessKey process;
  std::int32_t own_pid = 0;
};

// Whether a thread may still fill a place that it has taken.
enum class Writers { alive, gone };

using MarkSink = std::function<void(const Mark&)>;

class RingReader {
 public:
  // A ring whose header is one of ours.
  static Result<RingReader> open(Ring& ring, const Writer& writer);

  // Hands over what was committed, in the order of the ring (of one thread: the order in time), until about so many
  // slots are read; how many were. A place that was taken and is not filled holds up what follows for five seconds
  // while the writers are alive, and is then passed over.
  Result<std::uint64_t> drain(Nanoseconds now, Writers writers, std::uint64_t slots, const MarkSink& sink);

  bool is_drained() const;  // nothing is in it now
  bool is_closed() const;   // its process said that nothing follows
  std::uint64_t dropped() const;
  std::uint64_t torn() const { return torn_; }

 private:
  RingReader(Ring& ring, const Writer& writer, std::uint32_t generation)
      : ring_{&ring}, writer_{writer}, generation_{generation} {}

  bool pass_over(std::uint64_t head, Nanoseconds now, Writers writers);
  Result<void> take(const SlotCopy& slot, Nanoseconds now, const MarkSink& sink);
  void let_go();

  struct Stall {
    std::uint64_t position = std::numeric_limits<std::uint64_t>::max();
    Nanoseconds since = 0;
  };

  Ring* ring_;
  Writer writer_;
  std::uint32_t generation_;
  RingNames names_;
  std::uint64_t tail_ = 0;  // what stands in the ring is for the writers
  std::uint64_t torn_ = 0;
  Stall stall_;
};

}  // namespace everywatt::marks
