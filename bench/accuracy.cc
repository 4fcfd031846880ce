// What a bill of a GPU is worth: thousands of seeded scenarios of the virtual lab,
// measured in virtual time by the code that measures for users, beside the truth.
//
//   accuracy FAMILY COUNT SECONDS [SEED]
//
// FAMILY is one of accuracy_scenarios.cc; "all": any of them, on a board with the gain and offset of one that was
// published; "board": such a board under a sensor that sees all of the time; "calibrated": a board of gain 0.95 and
// offset 5 W, held against a meter one trusts in a run of its own first.
//
// One line of CSV a scenario: family, seed, seconds, what supplied it, true and
// measured joules, half-width of the stated 95 % interval and of its random part,
// booked busy and idle joules, flags, and of a part-time sensor by how many percent the mean
// of its readings can be off at the worst phase; true idle joules; the kind, where a family holds several;
// measured joules before calibration.
#include <dlfcn.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "account/bill.h"
#include "accuracy_scenarios.h"
#include "meter/meter.h"
#include "meter/sampler.h"
#include "model/curve_fit.h"
#include "sources/all_sources.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kTick = 100 * kMillisecond;
constexpr std::int32_t kOurPid = 4711;

// The stand-in with its own time.
class Lab {
 public:
  explicit Lab(const char* path) : path_{path}, handle_{::dlopen(path, RTLD_NOW | RTLD_LOCAL)} {
    if (!handle_) {
      fmt::print(stderr, "accuracy: {}\n", ::dlerror());
      std::exit(1);
    }
    find(load_, "everywatt_lab_load");
    find(set_time_, "everywatt_lab_set_time");
    find(joules_, "everywatt_lab_true_joules");
    find(idle_joules_, "everywatt_lab_true_idle_joules");
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  void load(const std::string& scenario) const { load_(scenario.c_str()); }
  void set_time(Instant now) const { set_time_(now.steady, now.wall); }
  [[nodiscard]] double joules(Nanoseconds from, Nanoseconds to) const { return joules_(0, from, to); }
  [[nodiscard]] double idle_joules(Nanoseconds from, Nanoseconds to) const { return idle_joules_(0, from, to); }

 private:
  template <class Function>
  void find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));  // NOLINT: dlsym's own form
    if (!function) {
      fmt::print(stderr, "accuracy: {} has no {}\n", path_, name);
      std::exit(1);
    }
  }
  std::string path_;
  void* handle_;
  void (*load_)(const char*) = nullptr;
  void (*set_time_)(long long, long long) = nullptr;
  double (*joules_)(int, long long, long long) = nullptr;
  double (*idle_joules_)(int, long long, long long) = nullptr;
};

struct Outcome {
  DeviceRecord record;
  Accounts booked;
  std::vector<SeriesPoint> curve;  // of energy
  EnergyCurve trusted;             // the same in truth, second by second
  double truth = 0;
  double true_idle = 0;
};

std::vector<SourceKind> nvml_only() {
  std::vector<SourceKind> kinds;
  for (const SourceKind& kind : all_sources()) {
    if (kind.name == "nvml") kinds.push_back(kind);
  }
  return kinds;
}

// What a ledger would hold of the GPU.
struct Books {
  Accounts accounts;
  DeviceSeries series;

  void add(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      accounts[entry.account] += entry.energy;
    }
  }
  void add(const RunDelta& delta) {
    add(delta.entries);
    for (const RunDelta::Series& more : delta.series) append(more.points, series.points);
  }
  // What was learnt of the floor by the end holds for the whole run.
  void rebook_with(const std::vector<Meter::Rebooking>& rebookings, Instant started) {
    for (const Meter::Rebooking& rebooking : rebookings) {
      series.device = rebooking.device;
      series.cpus = rebooking.cpus;
      series.is_blurred = rebooking.is_blurred;
      accounts = {};
      add(rebook(series, rebooking.floors, started));
    }
  }
};

// A job whose steps end with each period of its load, from the scenario's begin on.
struct Stepping {
  Nanoseconds begin = 0;
  double step = 0;  // ms; 0: it says nothing
  std::int64_t told = 0;

  void tell(Meter& meter, Nanoseconds now) {
    if (step == 0) return;
    const Lane lane{.process = {.pid = kOurPid, .start_ticks = 1}, .thread = kOurPid};
    for (;; ++told) {
      const Nanoseconds end = begin + static_cast<Nanoseconds>(static_cast<double>(told) * step * 1e6);
      if (end > now) return;
      meter.take(Mark{.time = end, .lane = lane, .what = StepMark{}});
    }
  }
};

// As cli/recording does it, with a clock that we move.
using Calibrations = std::vector<Calibration>;
Outcome measure(const Lab& lab, const Draw& draw, Chance& chance, double seconds, Calibrations calibrations = {}) {
  FakeClock clock;
  const auto pass = [&](Nanoseconds time) {
    clock.advance(time);
    lab.set_time(clock.now());
  };
  lab.set_time(clock.now());  // the scenario begins then
  lab.load(toml_of(draw, kOurPid));
  Stepping job{.begin = clock.now().steady, .step = draw.step};
  Roots roots{.sys = "/nonexistent", .proc = "/nonexistent"};
  roots.nvml_library = lab.path();
  const auto kinds = nvml_only();
  Sampler sampler{kinds, roots, Sampler::Slow::here};
  pass(static_cast<Nanoseconds>(chance.between(0, 1e8)));
  const auto inventories = sampler.inventories();
  Meter meter{inventories, {.run = "us", .calibrations = std::move(calibrations)}};
  meter.set_owner_of([](std::int64_t pid) { return pid == kOurPid ? Owner::run : Owner::others; });
  sampler.sample_edge(clock, meter);
  const Instant start = clock.now();
  meter.begin(start);
  const std::vector<Tenant> tenants{{.run = "us", .from = start.steady}};
  const Nanoseconds end = start.steady + static_cast<Nanoseconds>(seconds * 1e9);
  Outcome outcome;
  Books books;
  Hunts hunts;
  int hunting = 0;  // readings to come, as the reader beside the loop takes them
  for (;;) {
    const Hunts::Need need = meter.hunts_needed(clock.now().steady + kSecond);
    if (hunts.is_due(clock.now().steady - start.steady, need, meter.price_of_hunts())) hunting = SideReader::kHuntReads;
    const Nanoseconds tick = next_on_grid(clock.now().steady, kTick);
    const Nanoseconds next = hunting-- > 0 ? std::min(tick, clock.now().steady + SideReader::kHuntPause) : tick;
    if (next >= end) break;
    pass(next - clock.now().steady);
    if (clock.now().steady % kSecond != 0) {
      sampler.sample_tick(clock);
      continue;
    }
    sampler.sample_edge(clock, meter);
    job.tell(meter, clock.now().steady);
    books.add(meter.close_window({.until = clock.now(), .tenants = tenants}));
  }
  pass(end - clock.now().steady);
  const Instant ended = clock.now();
  pass(kMillisecond);
  sampler.sample_edge(clock, meter);
  job.tell(meter, ended.steady);
  books.add(meter.finish({.until = ended, .tenants = tenants}));
  books.rebook_with(meter.rebookings(), start);
  outcome.booked = books.accounts;
  for (const DeviceRecord& record : meter.records()) {
    if (record.device.kind == DeviceKind::gpu) outcome.record = record;
  }
  outcome.truth = lab.joules(start.steady, end);
  outcome.true_idle = lab.idle_joules(start.steady, end);
  outcome.curve = books.series.points[Track::energy];
  double joules = 0;
  for (Nanoseconds at = next_on_grid(start.steady, kSecond); at <= end; at += kSecond) {
    outcome.trusted.append(at, std::llround(joules * 1e6));
    joules += lab.joules(at, at + kSecond);
  }
  return outcome;
}

constexpr double kLimitOfH100 = 700;

// What `everywatt calibrate gain` makes of a run beside a meter that errs by nothing.
Calibrations calibrated_by(const Outcome& run) {
  EnergyCurve read;
  for (const SeriesPoint& point : run.curve) read.append(point.time, point.value);
  const auto fit = fit_curves(read, run.trusted);
  if (!fit) return {};
  return {{.host = "",
           .device = run.record.device.id,
           .sensor = run.record.sensor,
           .gain = fit->line.slope,
           .offset_watts = fit->line.intercept,
           .relative_uncertainty = fit->relative_error(kLimitOfH100)}};
}

// The load by which a user calibrates goes up and down, or no line could be fitted.
Draw calibrating_load(Chance& chance, Board board) {
  Draw draw = families().at("counter")(chance, 1, board);
  draw.watts = fmt::format("{{ steps = [[0, 80], [10, {}], [25, {}], [40, 80], [45, {}]] }}", chance.between(300, 600),
                           chance.between(150, 300), chance.between(200, 600));
  draw.utilisation = "{ steps = [[0, 0], [10, 1], [40, 0], [45, 1]] }";
  return draw;
}

double joules(MicroJoules energy) { return static_cast<double>(energy) / 1e6; }

struct Scenario {
  std::string family;
  std::uint64_t seed = 0;
  double seconds = 0;
};

void print(const Scenario& scenario, const Draw& draw, const Outcome& outcome, double uncorrected = 0) {
  const auto& [family, seed, seconds] = scenario;
  const DeviceRecord& record = outcome.record;
  std::string flags;
  for (const std::string& flag : record.flags) flags += (flags.empty() ? "" : " ") + flag;
  const double random = 2 * joules(record.uncertainty_random), systematic = 2 * joules(record.uncertainty_systematic);
  fmt::print("{},{},{},{},{:.6f},{:.6f},{:.6f},{:.6f},{:.6f},{:.6f},{},{:.3f},{:.6f},{},{:.6f}\n", family, seed,
             seconds, record.sensor, outcome.truth, joules(record.measured.value_or(0)), std::hypot(random, systematic),
             random, joules(outcome.booked.busy), joules(outcome.booked.idle), flags, draw.aliasing * 100,
             outcome.true_idle, draw.kind, uncorrected);
}

void run_calibrated(const Lab& lab, const Scenario& scenario, Chance& chance) {
  constexpr Board kBoard{.gain = 0.95, .offset = 5};
  const Calibrations calibrations = calibrated_by(measure(lab, calibrating_load(chance, kBoard), chance, 60));
  const Draw draw = families().at("counter")(chance, scenario.seconds, kBoard);
  Chance same = chance;
  const Outcome before = measure(lab, draw, same, scenario.seconds);
  print(scenario, draw, measure(lab, draw, chance, scenario.seconds, calibrations),
        joules(before.record.measured.value_or(0)));
}

void run(const Lab& lab, const Scenario& scenario) {
  Chance chance{scenario.seed};
  if (scenario.family == "calibrated") return run_calibrated(lab, scenario, chance);
  const Draw draw = scenario.family == "all"     ? any_kind(chance, scenario.seconds)
                    : scenario.family == "board" ? any_sound_kind(chance, scenario.seconds)
                                                 : families().at(scenario.family)(chance, scenario.seconds, {});
  print(scenario, draw, measure(lab, draw, chance, scenario.seconds));
}

bool is_family(const std::string& name) {
  return name == "all" || name == "board" || name == "calibrated" || families().contains(name);
}

}  // namespace
}  // namespace everywatt

int main(int argc, char** argv) {
  using namespace everywatt;
  const char* library = std::getenv("EVERYWATT_NVML_LIBRARY");
  if (argc < 4 || !is_family(argv[1]) || !library) {
    std::fputs("usage: EVERYWATT_NVML_LIBRARY=… accuracy FAMILY COUNT SECONDS [SEED]\n", stderr);
    return 2;
  }
  const Lab lab{library};
  const long count = std::strtol(argv[2], nullptr, 10);
  const double seconds = std::strtod(argv[3], nullptr);
  const std::uint64_t first = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(count); ++seed)
    run(lab, {.family = argv[1], .seed = seed, .seconds = seconds});
  return 0;
}
