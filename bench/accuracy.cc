// What a bill of a GPU is worth: thousands of seeded scenarios of the virtual lab,
// measured in virtual time by the code that measures for users, beside the truth.
//
//   accuracy FAMILY COUNT SECONDS [SEED]
//
// One line of CSV a scenario: family, seed, seconds, what supplied it, true and
// measured joules, half-width of the stated 95 % interval and of its random part,
// booked busy and idle joules, flags, and of a part-time sensor by how many percent the mean
// of its readings can be off at the worst phase; true idle joules. Defects are drawn from the ranges that were
// observed on real boards (arXiv 2312.02741), not from what we believe of them.
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "account/bill.h"
#include "meter/meter.h"
#include "meter/sampler.h"
#include "sources/all_sources.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kTick = 100 * kMillisecond;
constexpr std::int64_t kOurPid = 4711;

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

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_{seed} {}
  double between(double low, double high) { return std::uniform_real_distribution{low, high}(engine_); }
  double likely(double mean, double deviation) { return std::normal_distribution{mean, deviation}(engine_); }
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>{0, count - 1}(engine_); }

 private:
  std::mt19937_64 engine_;
};

// What a scenario is made of.
struct Draw {
  double idle = 80;
  std::string watts;        // a shape in TOML, above and with idle
  std::string utilisation;  // the same, 0 or 1
  std::string sensors;      // lines of TOML
  std::string name = "NVIDIA H100 80GB HBM3";
  double aliasing = 0;  // share of the truth by which a part-time sensor can be off at the worst phase
};

struct Load {
  std::string watts, utilisation;
};

// The square wave of a training step, and what it does to the utilisation.
Load square(double idle, double high, double period, double duty) {
  return {fmt::format("{{ low = {}, high = {}, period_s = {}, duty = {} }}", idle, high, period, duty),
          fmt::format("{{ low = 0, high = 1, period_s = {}, duty = {} }}", period, duty)};
}

Load any_load(Chance& chance, double idle, double seconds) {
  const double high = idle + chance.between(80, 550);
  switch (chance.below(5)) {
    case 0:
      return {fmt::format("{}", high), "1"};
    case 1: {  // a pause between two stretches of work
      const double begin = chance.between(0.1, 0.5) * seconds, end = begin + chance.between(0.1, 0.4) * seconds;
      return {fmt::format("{{ steps = [[0, {0}], [{2}, {1}], [{3}, {0}]] }}", high, idle, begin, end),
              fmt::format("{{ steps = [[0, 1], [{}, 0], [{}, 1]] }}", begin, end)};
    }
    case 2:  // warming up
      return {fmt::format("{{ lines = [[0, {}], [{}, {}]] }}", high * 0.7, seconds, high), "1"};
    case 3:
      return square(idle, high, chance.between(0.6, 4), chance.between(0.3, 0.9));
    default:
      return {fmt::format("[{}, {{ bursts = {}, seed = {} }}]", high * 0.6, high * 0.4, chance.below(1'000'000)), "1"};
  }
}

std::string counter(Chance& chance, double gain = 1, double offset = 0) {
  return fmt::format("counter = {{ period_ms = {}, phase_ms = {}, gain = {}, offset_watts = {} }}\n",
                     chance.between(99, 104), chance.between(0, 100), gain, offset);
}

std::string sensor(std::string_view key, Chance& chance, double window, double period, double gain = 1,
                   double offset = 0) {
  return fmt::format("{} = {{ window_ms = {}, period_ms = {}, phase_ms = {}, gain = {}, offset_watts = {} }}\n", key,
                     window, period, chance.between(0, period), gain, offset);
}

// A square wave of steps before a sensor that sees `window` of every `renewed` ms.
struct Steps {
  double period = 100;  // ms
  double duty = 0.5;
  double renewed = 100;
  double window = 25;

  // Milliseconds of work before the time.
  [[nodiscard]] double worked(double ms) const {
    const double turns = std::floor(ms / period);
    return (turns * duty + std::min(ms / period - turns, duty)) * period;
  }
  // At the worst of all phases, of any duty: what the period alone can do.
  [[nodiscard]] double worst_error(double idle, double high, double seconds) const {
    double worst = 0;
    for (double other : {0.3, 0.4, 0.5, 0.6, 0.7}) {
      Steps steps = *this;
      steps.duty = other;
      worst = std::max(worst, steps.worst_phase(idle, high, seconds));
    }
    return worst;
  }
  [[nodiscard]] double worst_phase(double idle, double high, double seconds) const {
    const int readings = static_cast<int>(seconds * 1e3 / renewed);
    const double truth = idle + (high - idle) * duty;
    double worst = 0;
    for (int phase = 0; phase < 40; ++phase) {
      double mean = 0;
      for (int i = 1; i <= readings; ++i) {
        const double now = i * renewed + phase * period / 40;
        mean += (worked(now) - worked(now - window)) / window / readings;
      }
      worst = std::max(worst, std::abs(idle + (high - idle) * mean - truth) / truth);
    }
    return worst;
  }
};

enum class Pace { any, in_step };

// Steps of any length, or nearly in step with the sensor: p of them in q of its renewals.
Draw part_time(Pace pace, Chance& chance, double seconds) {
  const double idle = 60, high = 60 + chance.between(80, 300);
  Steps steps{
      .period = chance.between(20, 500), .duty = chance.between(0.25, 0.75), .renewed = chance.between(99.5, 103)};
  while (pace == Pace::in_step) {
    const double ratio = static_cast<double>(1 + chance.below(5)) / static_cast<double>(1 + chance.below(5));
    const double slip = std::pow(10, chance.between(-5, -2.5)) * (chance.below(2) == 0 ? 1 : -1);
    steps.period = steps.renewed * ratio * (1 + slip);
    if (steps.period >= 20 && steps.period <= 500) break;
  }
  const Load load = square(idle, high, steps.period / 1e3, steps.duty);
  return {.idle = idle,
          .watts = load.watts,
          .utilisation = load.utilisation,
          .sensors = "counter = false\naverage = false\nusage = false\n" +
                     sensor("instant", chance, steps.window, steps.renewed),
          .name = "NVIDIA A100-SXM4-40GB",
          .aliasing = steps.worst_error(idle, high, seconds)};
}

using Make = std::function<Draw(Chance&, double seconds)>;

Draw with(Load load, double idle, std::string sensors, std::string name = "NVIDIA H100 80GB HBM3") {
  return {.idle = idle,
          .watts = std::move(load.watts),
          .utilisation = std::move(load.utilisation),
          .sensors = std::move(sensors),
          .name = std::move(name)};
}

// Board errors as Yang et al. saw them: gain mostly within 5 %, some 13 % off; offsets of a few watts.
double board_gain(Chance& chance) {
  return chance.below(20) == 0 ? chance.between(0.87, 1.13) : std::clamp(chance.likely(1, 0.025), 0.93, 1.07);
}

const std::map<std::string, Make>& families() {
  static const std::map<std::string, Make> all = {
      {"counter",
       [](Chance& c, double s) {
         return with(any_load(c, 80, s), 80, counter(c) + "instant = false\naverage = false\nusage = false\n");
       }},
      {"instant-100",
       [](Chance& c, double s) {
         return with(any_load(c, 60, s), 60,
                     "counter = false\naverage = false\nusage = false\n" + sensor("instant", c, 100, 100),
                     "NVIDIA GeForce RTX 4090");
       }},
      {"average-1000",
       [](Chance& c, double s) {
         return with(any_load(c, 60, s), 60,
                     "counter = false\ninstant = false\nusage = false\n" + sensor("average", c, 1000, 100),
                     "NVIDIA GeForce RTX 3090");
       }},
      {"part-time", [](Chance& c, double s) { return part_time(Pace::any, c, s); }},
      {"in-step", [](Chance& c, double s) { return part_time(Pace::in_step, c, s); }},
      {"low-at-idle",
       [](Chance& c, double s) {
         return with(
             any_load(c, 80, s), 80,
             fmt::format("counter = {{ period_ms = 100, phase_ms = {}, low_below_watts = 100, low_factor = 0.57 }}\n",
                         c.between(0, 100)) +
                 sensor("average", c, 1000, 100) + sensor("instant", c, 100, 100) + "usage = false\n");
       }},
      {"board",
       [](Chance& c, double s) {
         const double gain = board_gain(c), offset = c.between(-6, 6);
         const std::string others = "usage = false\n";
         switch (c.below(3)) {
           case 0:
             return with(any_load(c, 80, s), 80,
                         counter(c, gain, offset) + "instant = false\naverage = false\n" + others);
           case 1:
             return with(any_load(c, 60, s), 60,
                         "counter = false\naverage = false\n" + others + sensor("instant", c, 100, 100, gain, offset),
                         "NVIDIA GeForce RTX 4090");
           default:
             return with(any_load(c, 60, s), 60,
                         "counter = false\ninstant = false\n" + others + sensor("average", c, 1000, 100, gain, offset),
                         "NVIDIA GeForce RTX 3090");
         }
       }},
  };
  return all;
}

std::string toml_of(const Draw& draw) {
  return fmt::format(
      "[[gpu]]\nname = \"{}\"\nwatts = {}\nidle_watts = {}\nutilisation = {}\n{}"
      "[[gpu.process]]\npid = {}\n",
      draw.name, draw.watts, draw.idle, draw.utilisation, draw.sensors, kOurPid);
}

struct Outcome {
  DeviceRecord record;
  Accounts booked;
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

// As cli/recording does it, with a clock that we move.
Outcome measure(const Lab& lab, const Draw& draw, Chance& chance, double seconds) {
  FakeClock clock;
  const auto pass = [&](Nanoseconds time) {
    clock.advance(time);
    lab.set_time(clock.now());
  };
  lab.set_time(clock.now());  // the scenario begins then
  lab.load(toml_of(draw));
  Roots roots{.sys = "/nonexistent", .proc = "/nonexistent"};
  roots.nvml_library = lab.path();
  const auto kinds = nvml_only();
  Sampler sampler{kinds, roots, Sampler::Slow::here};
  pass(static_cast<Nanoseconds>(chance.between(0, 1e8)));
  const auto inventories = sampler.inventories();
  Meter meter{inventories, {.run = "us"}};
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
    books.add(meter.close_window({.until = clock.now(), .tenants = tenants}));
  }
  pass(end - clock.now().steady);
  const Instant ended = clock.now();
  pass(kMillisecond);
  sampler.sample_edge(clock, meter);
  books.add(meter.finish({.until = ended, .tenants = tenants}));
  books.rebook_with(meter.rebookings(), start);
  outcome.booked = books.accounts;
  for (const DeviceRecord& record : meter.records()) {
    if (record.device.kind == DeviceKind::gpu) outcome.record = record;
  }
  outcome.truth = lab.joules(start.steady, end);
  outcome.true_idle = lab.idle_joules(start.steady, end);
  return outcome;
}

void print(const std::string& family, std::uint64_t seed, double seconds, const Draw& draw, const Outcome& outcome) {
  const DeviceRecord& record = outcome.record;
  std::string flags;
  for (const std::string& flag : record.flags) flags += (flags.empty() ? "" : " ") + flag;
  const auto joules = [](MicroJoules energy) { return static_cast<double>(energy) / 1e6; };
  const double random = 2 * joules(record.uncertainty_random), systematic = 2 * joules(record.uncertainty_systematic);
  fmt::print("{},{},{},{},{:.6f},{:.6f},{:.6f},{:.6f},{:.6f},{:.6f},{},{:.3f},{:.6f}\n", family, seed, seconds,
             record.sensor, outcome.truth, joules(record.measured.value_or(0)), std::hypot(random, systematic), random,
             joules(outcome.booked.busy), joules(outcome.booked.idle), flags, draw.aliasing * 100, outcome.true_idle);
}

}  // namespace
}  // namespace everywatt

int main(int argc, char** argv) {
  using namespace everywatt;
  const char* library = std::getenv("EVERYWATT_NVML_LIBRARY");
  const auto found = argc > 3 ? families().find(argv[1]) : families().end();
  if (found == families().end() || !library) {
    std::fputs("usage: EVERYWATT_NVML_LIBRARY=… accuracy FAMILY COUNT SECONDS [SEED]\n", stderr);
    return 2;
  }
  const Lab lab{library};
  const long count = std::strtol(argv[2], nullptr, 10);
  const double seconds = std::strtod(argv[3], nullptr);
  const std::uint64_t first = argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 1;
  for (std::uint64_t seed = first; seed < first + static_cast<std::uint64_t>(count); ++seed) {
    Chance chance{seed};
    const Draw draw = found->second(chance, seconds);
    print(found->first, seed, seconds, draw, measure(lab, draw, chance, seconds));
  }
  return 0;
}
