// Readings in, entries out. The meter knows which sensor supplies which
// device, turns readings into curves, and books each window of time for one
// run. It reads no clock and no file: the loop hands in stamped readings, the
// run's CPU time and who else is on the host, so that an hour of a machine
// passes in a test in milliseconds.
#pragma once
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "meter/device_books.h"
#include "meter/election.h"
#include "meter/gauges.h"
#include "meter/hunts.h"
#include "meter/phase_quantities.h"
#include "meter/rank_watch.h"
#include "meter/sensor_clock.h"

namespace everywatt {

struct MeterOptions {
  std::string run;  // id
  Nanoseconds tick = 100 * kMillisecond;
  Boundary boundary = Boundary::components;
  std::map<std::string, Floor> floors = {};    // learnt by earlier runs, by device
  std::vector<Calibration> calibrations = {};  // of the host
};

// What is known of the run and the host when a window is closed.
struct WindowContext {
  Instant until;
  Nanoseconds cpu_time = 0;              // of all the run's processes since it began
  std::span<const Tenant> tenants = {};  // this run among them
  const FloorBoard* agreed = nullptr;    // floors agreed on with them; none: this run decides alone
};

class Meter {
 public:
  Meter(std::span<const Inventory* const> inventories, MeterOptions options);

  // Sources that came up since: `inventories` are those of before and theirs. To
  // be called after begin(); what is elected already stays so.
  void add_sources(std::span<const Inventory* const> inventories);
  // Who is the run's; until it is told every process is another's.
  void set_owner_of(OwnerOf owner_of) { owner_of_ = std::move(owner_of); }

  // When a source's readings are of use. The kernel's account of CPU time is asked for at
  // the edges of windows alone: it costs the kernel more than all sensors together. What tells nothing but
  // quantities is asked for once a second. Counters that show all that was drawn are worth a look at each tick, but
  // not worth waking up for: between two edges they say the same.
  enum class Reads { never, each_second, at_edges, when_awake, every_tick };
  [[nodiscard]] Reads reads(std::size_t source) const;
  // How well it will be known at `time` when the registers are renewed that were taken up to now.
  [[nodiscard]] Hunts::Need hunts_needed(Nanoseconds time) const;
  [[nodiscard]] Hunts::Price price_of_hunts() const;
  // What the packages had worked at the last reading, for the others of the host.
  [[nodiscard]] std::vector<WorkReading> work_readings() const;

  void begin(Instant start);
  void take(std::size_t source, Stamp stamp, std::span<const Reading> readings);
  // The run's CPU time so far, between two windows: as often as it is cheap to tell.
  void note_cpu_time(Nanoseconds time, Nanoseconds cpu_time);
  // What the job says of itself, in the order of time within a thread.
  void take(const Mark& mark);
  // Books what can be booked up to `until`.
  RunDelta close_window(const WindowContext& context);
  // The last window. What no sensor reached is a gap from here on.
  RunDelta finish(const WindowContext& context);

  [[nodiscard]] std::vector<DeviceRecord> records() const;
  // What the job says of its phases is told here.
  [[nodiscard]] RunPhases& phases() { return phases_; }
  [[nodiscard]] RankWatch& ranks() { return ranks_; }
  // What the run's loader workers did between two moments, for a process that speaks: CPU time, and how many lived.
  struct InputWork {
    Nanoseconds from = 0;
    Nanoseconds to = 0;
    Nanoseconds cpu_time = 0;
    std::size_t workers = 0;
  };
  void note_input_work(const ProcessKey& process, const InputWork& work);
  // Of the phases' spans that ended by then, those that are news.
  [[nodiscard]] std::vector<Span> take_spans(Nanoseconds booked_until);
  [[nodiscard]] const Election& election() const { return election_; }
  // What each device's floor is taken for now: what to propose to the others of the host.
  [[nodiscard]] std::vector<ProposedFloor> floors() const;
  // Floors learnt in this run, by device.
  [[nodiscard]] std::map<std::string, Floor> learnt_floors() const;
  // Devices whose floor moved since windows were booked: book them anew from their series.
  struct Rebooking {
    std::string device;
    std::size_t cpus = 0;
    bool is_sliced = false;
    bool is_blurred = false;
    Floors floors = {};
  };
  [[nodiscard]] std::vector<Rebooking> rebookings() const;

 private:
  struct PackageActivity {
    std::string device;
    ChannelPlace place;
    Scale scale;
    Activity activity;
  };
  // A GPU's utilisation and contexts, all from one source.
  struct GpuUse {
    std::string device;
    std::size_t source = 0;
    struct Part {
      std::optional<std::uint32_t> utilisation = {};  // channels
      std::optional<std::uint32_t> contexts = {};
    };
    Part whole = {};
    std::vector<Part> slices = {};  // of one that is cut
    std::vector<Device::Slice> shares = {};
    std::optional<std::uint32_t> performance_state = {};
    Nanoseconds age = 0;  // of what the utilisation shows that has no stamp, in the middle
    SensorClock clock = {};
    bool is_awake = true;
    GpuActivity activity = {};
    [[nodiscard]] bool is_told_by(const Reading& reading) const;
  };
  void add_books(std::span<const Inventory* const> inventories, const Elected& elected);
  void find_gpus(std::span<const Inventory* const> inventories);
  void find_quantities(std::span<const Inventory* const> inventories);
  GpuUse& use_of(const std::string& device, std::size_t source);
  void take_gpu(GpuUse& gpu, Nanoseconds time, std::span<const Reading> readings);
  [[nodiscard]] const std::vector<Activity::Piece>* gpu_work(const DeviceBooks& books,
                                                             const std::map<std::string, Work>& gpus) const;
  RunDelta close(const WindowContext& context, DeviceBooks::Close close);
  [[nodiscard]] Nanoseconds booked_until() const;
  void take_readings_of_others(std::span<const Tenant> tenants);
  std::vector<Work> share_work(Company company);
  [[nodiscard]] Nanoseconds cpu_time_at(Nanoseconds time) const;
  [[nodiscard]] Work work_of(const DeviceBooks& books, const std::vector<Work>& packages) const;
  [[nodiscard]] std::vector<unsigned> cpus_followed_by(const Device& device) const;
  [[nodiscard]] bool is_counted(const std::string& device) const;
  void note_gpu_work_of_processes(Nanoseconds time);
  void note_first_gpu_work(const std::map<std::string, Work>& gpus, RunDelta& into);
  void note_cpu_time_of_phases();
  void note_phase_quantities(const std::map<std::string, Work>& gpus);
  void add_look(PhaseQuantities::Look look);
  [[nodiscard]] std::vector<PhaseQuantity> phase_quantities(const std::vector<DeviceRecord>& devices) const;
  void add_gaps(DeviceBooks& books, RunDelta& into) const;

  MeterOptions options_;
  Election election_;
  std::vector<PackageActivity> activities_;
  std::vector<GpuUse> gpus_;
  GpuActivity::Snapshot snapshot_;  // of the GPU at hand, in memory that is used again
  OwnerOf owner_of_ = [](std::int64_t) { return Owner::others; };
  std::vector<DeviceBooks> books_;
  std::vector<std::vector<std::size_t>> books_of_;  // by source: places of those that may use it
  Gauges gauges_;
  RunPhases phases_;
  RankWatch ranks_;
  std::optional<ProcessKey> stepping_;  // whose steps are the job's: ranks step together
  PhaseQuantities phase_quantities_;
  Nanoseconds cpu_told_until_ = 0;  // of phases
  std::set<std::size_t> fares_;     // sources that tell quantities
  bool has_worked_on_gpu_ = false;
  std::uint64_t windows_ = 0;  // closed
  Instant start_;
  Nanoseconds window_start_ = 0;
  std::vector<SeriesPoint> cpu_times_;  // of the run since the last window, its end included
};

}  // namespace everywatt
