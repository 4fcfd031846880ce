// The books of one device within one run: the curves of its sensors (and of
// the model, where there is one), the one that is elected, and what has been
// booked from it. A window is booked once the elected curve has passed its
// end; until then it waits, so that each microjoule is booked exactly once.
#pragma once
#include <array>
#include <deque>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "meter/activity.h"
#include "meter/channel_meter.h"
#include "meter/floor.h"
#include "meter/floor_board.h"
#include "meter/gpu_activity.h"
#include "meter/gpu_floor.h"
#include "meter/gpu_tenancy.h"
#include "meter/phases.h"
#include "meter/run_phases.h"
#include "meter/startup.h"
#include "meter/tenancy.h"
#include "model/calibration.h"
#include "model/run.h"

namespace everywatt {

// Two sensors of one device are compared over this much at least.
inline constexpr Nanoseconds kComparisonTime = 6 * kSecond;

// Of Track::floor, where the run was alone: the run's own floor holds, of the state in which the device mostly was when
// nobody worked.
inline constexpr std::int64_t kReady = -1;
inline constexpr std::int64_t kResting = -2;

// What a window knows of the work done in it; empty: nothing was read.
using Work = std::vector<Activity::Piece>;

// What a window knows of the rest of the host.
struct Surroundings {
  Nanoseconds until = 0;
  std::int64_t minute = 0;               // of the window's start
  std::string_view run;                  // ours
  std::span<const Tenant> tenants = {};  // we among them
  // Floors that all runs of the host use while they share it; none: no other run can be known of.
  const FloorBoard* agreed = nullptr;
  RunPhases& phases;
};

// One window, as this run sees it. Shared by the live books and their rebuilding.
struct WindowFacts {
  MicroJoules energy = 0;
  Nanoseconds length = 0;
  std::size_t cpus = 0;  // 0: utilisation not known
  std::optional<Nanoseconds> worked = {};
  Nanoseconds ours = 0;
  IdleShare share = {};
  Power floor = {};
  bool by_share = false;  // worked is not known: `share` divides all that was drawn
  // Where the sensor shows means over so long that a quiet window holds what was drawn beside it: the work there.
  Nanoseconds worked_beside = 0;
  Nanoseconds ours_beside = 0;
};
Accounts book_for_run(const WindowFacts& window);
// Where nobody tells how much a GPU worked: what is wholly the run's by reservation, and of a sliced one each its part.
bool is_by_share(bool is_gpu, bool is_sliced, bool is_work_known, const IdleShare& share);

class DeviceBooks {
 public:
  struct Candidate {
    Channel channel;
    std::size_t source = 0;
    std::uint32_t place = 0;
    std::optional<Calibration> calibration = {};  // that the channel was corrected by
    // Not only as another sensor of the board was.
    [[nodiscard]] bool is_calibrated_itself() const { return calibration && calibration->sensor == channel.sensor; }
  };

  // Candidates best first. `cpus`: of the package, or of all packages, that
  // the device's activity is told by; a GPU counts as one; empty: its utilisation is not known.
  DeviceBooks(Device device, bool counted, std::vector<Candidate> candidates, std::vector<unsigned> cpus, Floor floor,
              Nanoseconds tick);

  void begin(Nanoseconds start);
  // What it is taken for may change when more sensors come up.
  void set_counted(bool counted) { counted_ = counted; }
  // Of a device without candidates: why.
  void leave_unmetered(std::string reason) { reason_ = std::move(reason); }
  void flag(std::string flag);
  void take(std::size_t source, Stamp stamp, const Reading& reading);
  // How much of the time it worked, as its own driver says at a reading.
  void take_utilisation(double share);
  // A step of the job ended.
  void take_step(Nanoseconds end);

  // Adds what was learnt of the work until `until` and books as far as the
  // elected curve reaches (`end`: this is the last window, books what there is).
  enum class Close { window, end };
  void close(const Work& work, const Surroundings& around, Close close, RunDelta& into);

  // The run's first work on a GPU was then: what was booked before belongs to its startup.
  void end_startup(Nanoseconds until, RunDelta& into);

  [[nodiscard]] const Device& device() const { return device_; }
  [[nodiscard]] const std::vector<unsigned>& cpus() const { return cpus_; }
  [[nodiscard]] bool is_counted() const { return counted_; }
  [[nodiscard]] DeviceRecord record() const;
  [[nodiscard]] bool reads(std::size_t source) const;
  // Whether a sensor of that source is read that must be looked at often to be right.
  [[nodiscard]] bool needs_ticks(std::size_t source) const;
  // Whether the elected sensor's readings can be placed at its renewals.
  [[nodiscard]] bool knows_renewals() const {
    return meters_.empty() || !elected().sensor || elected().sensor->knows_renewals();
  }
  [[nodiscard]] bool is_dear_to_read() const { return !meters_.empty() && elected().candidate.channel.spacing > 0; }
  [[nodiscard]] bool wants_hunt(Nanoseconds time) const {
    return !meters_.empty() && elected().sensor && elected().sensor->wants_hunt(time);
  }
  // What was learnt; none for a model, whose floor is its own.
  [[nodiscard]] std::optional<Floor> learnt_floor() const;
  [[nodiscard]] Floor floor() const;
  [[nodiscard]] Floors floors() const;
  // A sensor's means are over so long that what they show of a window was partly drawn beside it.
  [[nodiscard]] bool is_blurred() const;
  [[nodiscard]] const Accounts& booked() const { return booked_; }
  // Up to when; none: not yet at all.
  [[nodiscard]] std::optional<Nanoseconds> booked_until() const {
    return booking_ ? std::optional{until_} : std::nullopt;
  }
  // True if the floor that windows were booked with has moved enough since to book them anew.
  [[nodiscard]] bool wants_rebooking() const;
  std::vector<Silence> take_silences();

 private:
  struct Meter {
    Candidate candidate;
    std::optional<ChannelMeter> sensor;  // none: a model
    EnergyCurve modelled = {};
    double modelled_microjoules = 0;
    // What it and the elected one had counted at two moments that both saw, far apart.
    struct Both {
      Nanoseconds time = 0;
      MicroJoules elected = 0;
      MicroJoules other = 0;
    };
    struct Comparison {
      Both from;
      Both to;
    };
    std::optional<Comparison> comparison = {};  // none: never read beside it
    [[nodiscard]] const EnergyCurve& curve() const { return sensor ? sensor->curve() : modelled; }
  };

  [[nodiscard]] bool reads(const Meter& meter, std::size_t source) const;
  void model(const Work& work);
  bool settle_election(Nanoseconds until, Close close);
  // A counter that its own board's power contradicts is deposed, and the windows
  // that it supplied are booked anew from the integral.
  struct Past {
    Nanoseconds from = 0;
    Nanoseconds to = 0;
    std::int64_t minute = 0;
    WindowFacts facts;
    Accounts accounts;
    std::vector<Entry> entries;  // the same, by phase
    bool is_shared = false;      // its floor was agreed on with other runs
    bool is_observed = false;    // all of it, by the elected sensor
  };
  [[nodiscard]] std::size_t check_of_counter() const;
  [[nodiscard]] bool is_contradicted(const Meter& check) const;
  [[nodiscard]] bool is_believed_before(const Meter& other) const;
  void watch_counter(RunDelta& into);
  void depose_counter(std::size_t check, RunDelta& into);
  void correct(const Past& past, const Accounts& anew, RunDelta& into);
  void watch_floor();
  // None: the counter itself is read at each tick.
  [[nodiscard]] const Meter* power_beside_counter() const;
  void take_work(const Work& work, Nanoseconds until, Close close);
  [[nodiscard]] Nanoseconds seen_from() const;
  [[nodiscard]] Nanoseconds reach() const;
  bool book_up_to(Nanoseconds reached, const Surroundings& around, RunDelta& into);
  // [until_, to], in which the same tenants were there throughout.
  void book(Nanoseconds to, const Surroundings& around, RunDelta& into);
  [[nodiscard]] MicroJoules total_by(Nanoseconds edge);
  Activity::Piece take_pending(Nanoseconds to);
  [[nodiscard]] std::optional<Power> shared_floor(Nanoseconds to, const Surroundings& around, Power from_window) const;
  [[nodiscard]] bool is_gpu() const { return device_.kind == DeviceKind::gpu || device_.kind == DeviceKind::mig; }
  void note_unseen_start();
  void note_unseen_edges(Nanoseconds until);
  void emit_curve(RunDelta& into);
  Tracks& series_in(RunDelta& into) const;
  void add_flags(DeviceRecord& record) const;
  void follow_comparisons();
  void compare_sensors(DeviceRecord& record) const;
  Meter& elected() { return meters_.front(); }
  [[nodiscard]] const Meter& elected() const { return meters_.front(); }
  [[nodiscard]] Floors own_floors(Power from_window) const;
  [[nodiscard]] Power most() const { return meters_.empty() ? Power{} : elected().candidate.channel.most; }

  Device device_;
  bool counted_;
  std::vector<Meter> meters_;  // the elected one first
  std::vector<unsigned> cpus_;
  FloorLearner learner_;
  std::optional<GpuFloor> gpu_floor_;  // of a GPU that is measured
  Floor first_floor_;
  Nanoseconds start_ = 0;
  Nanoseconds until_ = 0;      // booked up to here
  MicroJoules booked_at_ = 0;  // the elected curve's total there
  bool settled_ = false;       // the elected sensor has proved that it counts
  bool booking_ = false;       // the first window can be booked
  std::vector<std::string> flags_;
  std::optional<std::string> reason_;
  Nanoseconds emitted_ = 0;                // curve points up to here are in the series
  std::vector<SeriesPoint> booked_edges_;  // since then
  MicroJoules emitted_total_ = 0;          // the last of them
  MicroJoules emitted_more_ = 0;  // added to the curve's, so that the series goes on ascending after a deposition
  std::deque<Past> past_;         // the last windows, while a counter is watched
  bool is_deposed_ = false;
  int contradictions_ = 0;  // in a row
  struct Edge {
    Nanoseconds until = 0;
    std::int64_t minute = 0;  // of the window's start
  };
  std::deque<Edge> edges_;  // of windows that wait for the curve
  Work pending_;            // waiting for the curve
  // Since the start.
  Nanoseconds worked_ = 0;
  Nanoseconds ours_ = 0;
  Nanoseconds observed_ = 0;
  Nanoseconds unseen_ = 0;  // at the start and at the end
  Nanoseconds reserved_time_ = 0;
  bool work_was_told_ = false;     // in some window …
  bool work_was_missed_ = false;   // … and in some not
  bool work_was_divided_ = false;  // in some both the run and others worked
  Accounts booked_;
  Startup startup_;
  std::vector<Silence> silences_;
  // Among the windows in which the run was alone; none yet: lowest above highest.
  struct Used {  // watts
    double lowest = std::numeric_limits<double>::max();
    double highest = 0;
    void note(double watts) {
      lowest = std::min(lowest, watts);
      highest = std::max(highest, watts);
    }
    [[nodiscard]] bool is_empty() const { return highest < lowest; }
    [[nodiscard]] bool is_far_from(double watts) const;
  };
  Used ready_used_, resting_used_;
  Activity::Piece last_work_;
};

// Learns the floor of a device of that kind; `before`: what is known of it already.
FloorLearner learner_of(DeviceKind kind, Floor before, Power most);

// Books all windows of a device anew from its series, outside any phase, with another floor
// wherever the run was alone on the host; what was shared stays as it was
// agreed, or the runs' books would no longer fit together.
struct DeviceSeries {
  std::string device;
  std::size_t cpus = 0;
  bool is_sliced = false;
  bool is_blurred = false;
  Tracks points = {};
};
std::vector<Entry> rebook(const DeviceSeries& series, Floors floors, Instant started);
// The same entries divided over phases minute by minute as those of before were.
std::vector<Entry> divide_like(const std::vector<Entry>& before, const std::vector<Entry>& anew);

}  // namespace everywatt
