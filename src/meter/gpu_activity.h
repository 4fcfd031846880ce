// How much of a GPU's time anyone worked, how much of it was the run's, and who
// held a context meanwhile: from what the driver says of the device and of each
// process at every reading. Between two readings the shares are those of the later
// one, which describe the time before it.
#pragma once
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "meter/activity.h"

namespace everywatt {

// Whether a process is the run's.
enum class Owner { run, others, unknown };
using OwnerOf = std::function<Owner(std::int64_t pid)>;

class GpuActivity {
 public:
  // All that one reading of the GPU said.
  struct Snapshot {
    Nanoseconds time = 0;
    Nanoseconds age = 0;                // of the work that it tells; contexts are as of now
    std::optional<double> worked = {};  // share of the time since the last reading; none: not told
    bool shows_processes = true;        // else nobody can say whose the work was
    struct Process {
      std::int64_t pid = 0;
      double worked = 0;  // its share, before it is scaled to the device's
      bool has_context = false;
    };
    std::vector<Process> processes = {};
  };
  void take(const Snapshot& snapshot, const OwnerOf& owner_of);

  // What happened since the last call.
  std::vector<Activity::Piece> close();

  // A process was seen whose number says nothing here: it counts as another's.
  [[nodiscard]] bool saw_unknown() const { return saw_unknown_; }

 private:
  [[nodiscard]] Activity::Piece piece_until(Nanoseconds told, const Snapshot& snapshot) const;

  // What processes were last sampled with: it holds until the next sample, which comes less often than readings.
  struct Shares {
    double ours = 0;
    double all = 0;
    Nanoseconds time = 0;
  };
  std::optional<Shares> shares_;
  struct Holders {
    Nanoseconds time = 0;
    std::uint64_t ours = 0;  // contexts
    std::uint64_t all = 0;
  };
  std::deque<Holders> holders_;  // as of readings whose work was not told yet
  std::optional<Nanoseconds> last_;
  std::vector<Activity::Piece> pieces_;
  bool saw_unknown_ = false;
};

// The run's part in the idle energy of a GPU: those who reserved it come first;
// without any, whoever holds a context, evenly; nobody's else. `held`: by contexts.
IdleShare gpu_idle_share(const std::string& gpu, std::optional<unsigned> index, const IdleShare& held,
                         std::span<const Tenant> tenants, std::string_view run, Nanoseconds from, Nanoseconds to);

}  // namespace everywatt
