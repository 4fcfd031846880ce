// How much of a GPU's time anyone worked, how much of it was the run's, and who held a context meanwhile: from what the
// driver says of the device and of each process at every reading. Work is told with a delay, contexts are as of now:
// each stretch of work is divided by the contexts of its own time. A look may miss who worked: the nearest that saw
// somebody tells, before or after, and where none near it did nobody knows whose the work was. Of a GPU that is cut
// into slices (MIG) each tells for itself, and has its fixed share of the device.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "meter/activity.h"
#include "model/device.h"

namespace everywatt {

// Whether a process is the run's.
enum class Owner { run, others, unknown };
using OwnerOf = std::function<Owner(std::int64_t pid)>;

class GpuActivity {
 public:
  // All that one reading of the GPU said.
  struct Snapshot {
    Nanoseconds time = 0;
    bool tells_work = true;       // else nobody knows how much it works
    bool shows_processes = true;  // else nobody can say whose the work was
    bool lists_processes = true;  // now: else who holds contexts could not be asked
    bool is_awake = true;         // its clocks are not lowered, as far as is known
    struct Told {
      Nanoseconds until = 0;
      double share = 0;      // of the time since the one before in which it worked for anyone
      Nanoseconds blur = 0;  // how far that may lie from where it is put
    };
    std::vector<Told> told = {};  // ascending; empty: nothing new
    struct Process {
      std::int64_t pid = 0;
      double worked = 0;  // its share, before it is scaled to the device's
      bool has_context = false;
      std::size_t slice = 0;
    };
    std::vector<Process> processes = {};
    struct Slice {
      double share = 0;                   // of the device
      bool tells_work = false;            // else its share stands for what it did
      std::optional<double> worked = {};  // share of the time since it was told last
    };
    std::vector<Slice> slices = {};  // empty: the GPU is whole
  };
  void take(const Snapshot& snapshot, const OwnerOf& owner_of);

  // What happened since the last call; work that nobody was seen at waits some moments for a look that sees one.
  std::vector<Activity::Piece> close();
  // There will be no look any more: the next close() gives all.
  void finish();

  // Nanoseconds that each of the run's processes has worked by now.
  [[nodiscard]] const std::map<std::int64_t, Nanoseconds>& worked_by_process() const { return worked_by_process_; }

  // A process was seen whose number says nothing here: it counts as another's.
  [[nodiscard]] bool saw_unknown() const { return saw_unknown_; }

 private:
  struct Tally {  // of contexts
    std::uint64_t ours = 0;
    std::uint64_t all = 0;
  };
  // Contexts as of a reading.
  struct Holders : Tally {
    Nanoseconds time = 0;
    IdleShare share = {};
    bool is_awake = true;
  };
  // What processes were last sampled with: it holds until the next sample, which comes less often than readings.
  struct Shares {
    double ours = 0;
    double all = 0;
    Nanoseconds time = 0;
    std::map<std::int64_t, double> by_process = {};  // of the run's
  };
  void note_processes(const Snapshot& snapshot, const OwnerOf& owner_of);
  void take_slices(const Snapshot& snapshot, const OwnerOf& owner_of);
  struct Waiting {
    Activity::Piece piece;
    bool is_nobodys = false;  // it worked, and the nearest look saw nobody
  };
  [[nodiscard]] const Holders& holders_of(Nanoseconds time);
  [[nodiscard]] const Holders* nearest_holders(Nanoseconds time) const;
  static void divide(Activity::Piece& piece, const Holders& holders);
  void add(const Snapshot::Told& told, bool is_told);
  // `patience`: how old what is nobody's may be at that time.
  void settle(Nanoseconds time, Nanoseconds patience);
  void note_holders_of_slices(const Snapshot& snapshot, const OwnerOf& owner_of);

  std::optional<Shares> shares_;
  std::deque<Holders> holders_;     // none before those of the last stretch
  std::optional<Holders> seen_;     // the last before these that saw somebody
  std::vector<Holders> of_slices_;  // that hold one, or were the last to do so
  std::deque<Waiting> waiting_;
  std::optional<Nanoseconds> last_;  // work is told up to here
  std::vector<Activity::Piece> pieces_;
  std::map<std::int64_t, Nanoseconds> worked_by_process_;
  bool saw_unknown_ = false;
};

}  // namespace everywatt
