// One run from its first reading to its bill: sensors, meter, presence and
// store around a job. `run` and `attach` differ only in where the job comes from.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "account/bill.h"
#include "cli/budget_keeper.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/job_voice.h"
#include "cli/later_facts.h"
#include "job/job.h"
#include "meter/meter.h"
#include "meter/presence.h"
#include "meter/sampler.h"
#include "store/store.h"

namespace everywatt {

class Recording {
 public:
  // Opens sensors and store and takes the first reading. What is not to be had
  // (a store that cannot be written) becomes a notice: the job runs all the same.
  // `root`: the process whose descendants are measured. run.parent is found here.
  // `voice`: where the job's marks are heard; none: at a place of the run's own.
  Recording(Context& context, const Config& config, Run run, const Tenant::Root& root,
            std::optional<JobVoice> voice = std::nullopt);

  // To be called before follow().
  void set_budget(const BudgetPlan& plan) { budget_.emplace(plan); }

  // Measures until the job ends. The bill is complete when this returns.
  JobEnd follow(Job& job);

  // Ends the run in the ledger, with the exit status in `run`.
  Bill finish(const JobEnd& end);

  const Run& run() const { return run_; }
  // Where the job's marks are heard; none: nowhere, a notice says why.
  std::optional<std::string> socket() const;
  // Where the bill is kept; none: nowhere, a notice says why.
  std::optional<std::string> kept_in() const;

 private:
  void open_store_for_run();
  void open_voice();
  void note_sources();
  void note_missing();
  void take_arrivals();
  Owner owner_of(const Job& job, std::int64_t pid);
  void announce(const Tenant::Root& root);
  void propose_floors(Nanoseconds now);
  void close_window(Job& job, Instant until);
  void watch_budget(Job& job, Instant now);
  void keep(RunDelta delta);
  void keep_spans(const std::vector<Span>& spans);
  static void add_entries(std::vector<Entry>& sums, const std::vector<Entry>& more);
  void rebook();
  void restore_entries();
  void drop_old_series();
  void note(std::string line);
  WindowContext window(Job& job, Instant until);
  void tally(Job& job);
  void hear(Nanoseconds now);
  void note_own_cost();
  void note_process_times(Nanoseconds now);
  void reserve(Job& job);

  Context& context_;
  Site site_;
  std::optional<double> series_days_;  // that series are kept after a run's end
  Run run_;
  std::unique_ptr<Store> store_;
  std::string store_path_;
  bool store_failed_ = false;
  bool reserved_ = false;
  std::uint64_t windows_ = 0;
  std::uint64_t next_look_ = 0;     // at the job's usage: the window in which
  bool job_time_is_cheap_ = false;  // to be read every tick, not only once a window
  Sampler sampler_;
  std::unique_ptr<Meter> meter_;
  std::optional<JobVoice> voice_;
  std::optional<Presence> presence_;
  std::vector<Tenant> tenants_;
  std::set<std::int64_t> our_pids_;         // that used a GPU
  std::map<std::int64_t, Owner> not_ours_;  // likewise, within this window
  FloorBoard floors_;
  std::vector<std::string> missing_;  // notices of what has not come up yet
  LaterFacts later_facts_;
  std::optional<BudgetKeeper> budget_;
  RunRecord record_;  // what was booked, for a bill without a store
  Hunts hunts_;
  Instant ended_;
};

// Facts about the machine and the place of work that every run records.
std::map<std::string, std::string> environment_of(const Roots& roots);

// Ten letters and digits by chance; no two runs of a store share one.
std::string new_run_id();

}  // namespace everywatt
