// Sources that may take their time, read beside the loop: their libraries start
// on threads of their own, and a call that does not return holds up nothing else.
// One thread reads all of them in turn; where it is stuck in one, another takes
// over the rest, and the one that was stuck goes on when its call comes back.
// So are devices opened, one after another; one that refused is asked again each second.
//
// They keep the pace of the ticks themselves, so that the loop need not wake for
// them: what was read since is taken whenever it looks. A thread that never comes
// back keeps what it uses alive and dies with the process. All methods are
// called from the loop's thread; time is the real one.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "meter/channel_meter.h"
#include "sources/source.h"

namespace everywatt {

class SideReader {
 public:
  SideReader();
  SideReader(const SideReader&) = delete;
  SideReader& operator=(const SideReader&) = delete;
  ~SideReader();

  // Begins to open a family; `family` is the caller's number for it.
  void open(std::size_t family, SlowOpen open);

  // What has come up, or has refused for the first time, since the last call: a library, after which its devices
  // follow, or a device. To be called at each look: where an opener is stuck, another takes over then.
  struct Opened {
    std::size_t family = 0;
    std::string device = {};  // empty: the library
    Result<Source*> source;   // null: a library's; owned here, its inventory may be read from now on
  };
  std::vector<Opened> take_opened();
  // What may still come up: a library that has not answered, a device that has not or that refused.
  struct Missing {
    std::size_t family = 0;
    std::string device = {};            // empty: the library
    std::optional<Error> refusal = {};  // the last; none: no answer yet
  };
  [[nodiscard]] std::vector<Missing> missing() const;
  // Whether something is being opened that may come up at any moment: all but what refused or is stuck.
  [[nodiscard]] bool is_opening() const;

  // From now on all are read (Source::sample_on_pace) at each multiple of `period` on CLOCK_MONOTONIC (and at once,
  // where nobody read so far); 0: only when requested. To be called at each look: where a reader is stuck, another
  // takes over then.
  void keep_pace(Nanoseconds period);

  // Whether a reading takes longer than a sound driver's does: who looks soon again has it replaced soon.
  [[nodiscard]] bool is_held_up() const;

  // Has all that are not stuck read once more, with all that they have to say; hunting, again and again
  // until all registers were seen to be renewed, or for a little longer than that
  // takes: one of the readings is the first to show a new value (meter/tick_phase.h).
  enum class Look { once, hunt };
  void request(Look look = Look::once);
  static constexpr int kHuntReads = 22;
  static constexpr Nanoseconds kHuntPause = 5 * kMillisecond;
  struct Call {
    const Source* source = nullptr;
    Stamp stamp;
    std::size_t readings = 0;  // that it gave
    Result<void> outcome;
  };
  // Calls in the order in which they came back, and what they gave, one after another.
  struct Batch {
    std::vector<Call> calls;
    std::vector<Reading> readings;
  };
  // What came since the last call, in place of what `into` held: its memory is used for what comes next.
  void take(Batch& into);
  // Until all that was requested is there, or has come up, at most until
  // `deadline` (CLOCK_MONOTONIC): false then. Does not wait for what is stuck already.
  enum class For { readings, openings };
  bool wait(For what, Nanoseconds deadline);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace everywatt
