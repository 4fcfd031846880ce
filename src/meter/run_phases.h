// How what a run books is divided over its phases: over its processes by what each of them worked, and within a process
// by the phase that its main thread was in while the energy was drawn. The parts sum to the whole, to the microjoule.
// What precedes the run's first work on a GPU, and is in no phase of the job's own, is the phase `startup`.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "meter/phase_tracker.h"
#include "meter/rank_watch.h"
#include "meter/startup.h"
#include "model/energy_curve.h"

namespace everywatt {

class RunPhases {
 public:
  void take(const Mark& mark) { tracker_.take(mark); }
  [[nodiscard]] const std::vector<ProcessKey>& processes() const { return tracker_.processes(); }
  [[nodiscard]] const std::set<ProcessKey>& living() const { return tracker_.living(); }
  // Cumulative nanoseconds that a process, its children included, had worked by then: `on` a GPU, or, "", on
  // processors.
  void note_work(const std::string& on, const ProcessKey& process, Nanoseconds time, Nanoseconds worked);
  void note_startup(Nanoseconds from, Nanoseconds until) { startup_ = {from, until}; }

  // What was booked on one device between two moments, as entries: busy follows the curve, idle the time.
  [[nodiscard]] std::vector<Entry> entries(const std::string& device, const Accounts& booked, const EnergyCurve& curve,
                                           Nanoseconds from, Nanoseconds to, std::int64_t minute);
  // What each process that speaks was charged so far, on the devices that count.
  [[nodiscard]] std::map<ProcessKey, RankWatch::Charge> charges(
      const std::function<bool(const std::string& device)>& counts) const;
  // Spans that ended by then and are news.
  [[nodiscard]] std::vector<Span> take_spans(Nanoseconds booked_until, const SpanBook::Counts& counts);
  // A device was booked anew: its part in each span follows what its path is charged now.
  void rebook_spans(const std::string& device, const std::vector<Entry>& before, const std::vector<Entry>& anew);
  [[nodiscard]] std::vector<PhaseStat> stats(Nanoseconds now) const;
  [[nodiscard]] const std::vector<std::string>& notices() const { return tracker_.notices(); }

  // Where a stretch of time was spent, by number of a path: parts of 1, over the processes by what each worked on a
  // device ("": on processors), or of one process alone.
  static constexpr std::uint32_t kStartupPath = UINT32_MAX;
  struct Part {
    std::uint32_t path = 0;
    double share = 0;
  };
  [[nodiscard]] std::vector<Part> parts(std::string_view device, Nanoseconds from, Nanoseconds to) const;
  [[nodiscard]] std::vector<Part> parts_of(const ProcessKey& process, Nanoseconds from, Nanoseconds to) const;
  [[nodiscard]] std::string path(std::uint32_t number) const;
  [[nodiscard]] std::uint32_t outer_of(std::uint32_t number) const {
    return number == kStartupPath ? 0 : tracker_.outer_of(number);
  }
  void forget_before(Nanoseconds time);

 private:
  // Where a process stood: at a path, in a span.
  struct Cell {
    std::uint32_t path = 0;
    SpanBook::Number in = 0;
    auto operator<=>(const Cell&) const = default;
  };
  struct Weights {
    std::vector<Cell> cells;  // in the order of their paths
    std::vector<std::uint64_t> by_energy, by_time;
  };
  [[nodiscard]] std::vector<std::uint64_t> shares_by(const std::string& on, Nanoseconds from, Nanoseconds to) const;
  [[nodiscard]] std::vector<std::uint64_t> shares(const std::string& device, Nanoseconds from, Nanoseconds to) const;
  [[nodiscard]] Weights weights(std::optional<std::size_t> process, const EnergyCurve& curve, Nanoseconds from,
                                Nanoseconds to) const;
  void divide(const Weights& weights, Entry whole, std::vector<Entry>& into);
  // Calls `take` with each stretch in which a process stood at one place; none: nobody speaks.
  using TakeStretch = std::function<void(Cell cell, Nanoseconds begin, Nanoseconds end)>;
  void each_stretch(std::optional<std::size_t> process, Nanoseconds from, Nanoseconds to,
                    const TakeStretch& take) const;
  static std::vector<Part> parts_from(const std::map<std::uint32_t, double>& sums);

  void note_charges(const ProcessKey& process, std::span<const Entry> entries);

  std::map<std::string, std::map<ProcessKey, RankWatch::Charge>> charges_;  // by device
  PhaseTracker tracker_;
  using Worked = std::deque<SeriesPoint>;
  std::map<std::string, std::map<ProcessKey, Worked>> worked_;
  struct Stretch {
    Nanoseconds from = 0;
    Nanoseconds until = 0;
  };
  std::optional<Stretch> startup_;
};

}  // namespace everywatt
