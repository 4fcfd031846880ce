#include "accuracy_scenarios.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>
#include <vector>

namespace everywatt {
namespace {

constexpr const char* kH100 = "NVIDIA H100 80GB HBM3";
constexpr const char* k4090 = "NVIDIA GeForce RTX 4090";
constexpr const char* k3090 = "NVIDIA GeForce RTX 3090";
constexpr const char* kNoPower = "instant = false\naverage = false\nusage = false\n";

struct Load {
  std::string watts, utilisation;
};

// The square wave of a training step, and what it does to the utilisation.
Load square(double idle, double high, double period, double duty) {
  return {fmt::format("{{ low = {}, high = {}, period_s = {}, duty = {} }}", idle, high, period, duty),
          fmt::format("{{ low = 0, high = 1, period_s = {}, duty = {} }}", period, duty)};
}

// `most`: W that the board can draw above idle.
Load any_load(Chance& chance, double idle, double seconds, double most) {
  const double high = idle + chance.between(80, most);
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

std::string counter(Chance& chance, Board board, std::string_view more = "") {
  return fmt::format("counter = {{ period_ms = {}, phase_ms = {}, gain = {}, offset_watts = {}{} }}\n",
                     chance.between(99, 104), chance.between(0, 100), board.gain, board.offset, more);
}

struct Span {
  double window = 100;  // ms
  double period = 100;
};

std::string sensor(std::string_view key, Chance& chance, Span span, Board board, std::string_view more = "") {
  return fmt::format("{} = {{ window_ms = {}, period_ms = {}, phase_ms = {}, gain = {}, offset_watts = {}{} }}\n", key,
                     span.window, span.period, chance.between(0, span.period), board.gain, board.offset, more);
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
enum class Job { silent, marks };

// Steps of any length, or nearly in step with the sensor: p of them in q of its renewals.
Draw part_time(Pace pace, Job job, Chance& chance, double seconds, Board board) {
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
                     sensor("instant", chance, {steps.window, steps.renewed}, board),
          .name = "NVIDIA A100-SXM4-40GB",
          .aliasing = steps.worst_error(idle, high, seconds),
          .step = job == Job::marks ? steps.period : 0};
}

Draw with(Load load, double idle, std::string sensors, std::string name = kH100) {
  return {.idle = idle,
          .watts = std::move(load.watts),
          .utilisation = std::move(load.utilisation),
          .sensors = std::move(sensors),
          .name = std::move(name)};
}

Draw by_counter(Chance& chance, double seconds, Board board, std::string_view more = "") {
  Load load = any_load(chance, 80, seconds, 550);
  return with(std::move(load), 80, counter(chance, board, more) + kNoPower);
}

Draw by_instant_100(Chance& chance, double seconds, Board board, std::string_view more = "") {
  Load load = any_load(chance, 60, seconds, 390);
  return with(std::move(load), 60,
              "counter = false\naverage = false\nusage = false\n" + sensor("instant", chance, {}, board, more), k4090);
}

Draw by_average_1000(Chance& chance, double seconds, Board board) {
  Load load = any_load(chance, 60, seconds, 290);
  return with(std::move(load), 60,
              "counter = false\ninstant = false\nusage = false\n" + sensor("average", chance, {1000, 100}, board),
              k3090);
}

Draw low_at_idle(Chance& chance, double seconds, Board board) {
  const std::string less = fmt::format(", low_below_watts = {}, low_factor = 0.57", 100 * board.gain + board.offset);
  Load load = any_load(chance, 80, seconds, 550);
  return with(std::move(load), 80,
              counter(chance, board, less) + sensor("average", chance, {1000, 100}, board) +
                  sensor("instant", chance, {}, board) + "usage = false\n");
}

// --- what befalls counters

Draw resets(Chance& chance, double seconds, Board board) {
  std::vector<std::string> at;
  for (std::size_t left = 1 + chance.below(3); left > 0; --left)
    at.push_back(fmt::format("{}", chance.between(0.02, 0.98) * seconds));
  return by_counter(chance, seconds, board,
                    fmt::format(", start = {}, resets_s = [{}]", chance.below(1'000'000'000), fmt::join(at, ", ")));
}

// 32 bits of mJ, full somewhere within the run if its draw is idle, sooner under load.
Draw goes_round(Chance& chance, double seconds, Board board) {
  constexpr std::uint64_t kRange = std::uint64_t{1} << 32;
  const auto left = static_cast<std::uint64_t>(chance.between(0.05, 0.95) * seconds * 80e3);
  return by_counter(chance, seconds, board, fmt::format(", start = {}, range = {}", kRange - left, kRange));
}

// Counts only whole steps, of up to a joule; or power in steps of up to a watt.
Draw coarse(Chance& chance, double seconds, Board board) {
  if (chance.below(2) == 0)
    return by_instant_100(chance, seconds, board, fmt::format(", quantum_watts = {}", chance.between(0.1, 1)));
  const double quantum = std::round(std::pow(10, chance.between(1, 3)));  // mJ
  return by_counter(chance, seconds, board, fmt::format(", quantum = {}", quantum));
}

// --- what befalls calls and drivers, with a counter or without

Draw any_sound(Chance& chance, double seconds, Board board) {
  switch (chance.below(3)) {
    case 0:
      return by_counter(chance, seconds, board);
    case 1:
      return by_instant_100(chance, seconds, board);
    default:
      return by_average_1000(chance, seconds, board);
  }
}

// All calls fail for a while that begins anywhere, the edges of the run left out.
std::string failing(Chance& chance, double seconds, double length, std::string_view what) {
  const double begin = chance.between(0.5, std::max(0.6, seconds - length - 0.5));
  return fmt::format("[[defect]]\n{}\nfrom_s = {}\nto_s = {}\n", what, begin, begin + length);
}

Draw reloads(Chance& chance, double seconds, Board board) {
  Draw draw = by_counter(chance, seconds, board, fmt::format(", start = {}", chance.below(1'000'000'000)));
  draw.defects = failing(chance, seconds, chance.between(0.5, 3), "kind = \"reloads\"");
  return draw;
}

Draw lost(Chance& chance, double seconds, Board board) {
  Draw draw = any_sound(chance, seconds, board);
  draw.defects = failing(chance, seconds, chance.between(0.5, 4), "kind = \"answers\"\nstatus = \"gpu_is_lost\"");
  return draw;
}

Draw hangs(Chance& chance, double seconds, Board board) {
  Draw draw = any_sound(chance, seconds, board);
  draw.defects = failing(chance, seconds, 3, "kind = \"hangs\"\nlength_s = 3");
  return draw;
}

// Calls that a driver does not have, and readings that fail now and then.
Draw misses_calls(Chance& chance, double seconds, Board board) {
  constexpr const char* kMissing[] = {
      "\"field 191\"",
      "\"field 191\", \"field 83\"",
      "\"nvmlDeviceGetProcessUtilization\"",
      "\"nvmlDeviceGetProcessUtilization\", \"nvmlDeviceGetUtilizationRates\", \"nvmlDeviceGetSamples\"",
      "\"nvmlDeviceGetClockInfo\", \"nvmlDeviceGetPerformanceState\"",
  };
  Draw draw = any_sound(chance, seconds, board);
  draw.defects = fmt::format("[[defect]]\nkind = \"answers\"\nstatus = \"not_supported\"\ncalls = [{}]\n",
                             kMissing[chance.below(std::size(kMissing))]);
  for (std::size_t i = 0; i < 1 + chance.below(6); ++i)
    draw.defects += failing(chance, seconds, chance.between(0.05, 0.6), "kind = \"answers\"\nstatus = \"unknown\"");
  return draw;
}

// A register that stands still for a while.
Draw stands_still(Chance& chance, double seconds, Board board) {
  std::vector<std::string> stretches;
  for (std::size_t i = 0; i < 1 + chance.below(3); ++i) {
    const double begin = chance.between(0.02, 0.9) * seconds;
    stretches.push_back(fmt::format("[{}, {}]", begin, begin + chance.between(0.2, 2)));
  }
  return by_instant_100(chance, seconds, board, fmt::format(", dropouts_s = [{}]", fmt::join(stretches, ", ")));
}

// --- sensors of other generations

// Pascal and Volta: 10 ms of every 20, of which a look every 100 ms sees one.
Draw fast(Chance& chance, double seconds, Board board) {
  Load load = chance.below(2) == 0
                  ? any_load(chance, 60, seconds, 190)
                  : square(60, 60 + chance.between(80, 200), chance.between(0.02, 0.5), chance.between(0.25, 0.75));
  const std::string none = "counter = false\naverage = false\ninstant = false\n";
  const Span span{chance.between(10, 11), chance.between(19.8, 20.2)};
  return with(std::move(load), 60, none + sensor("usage", chance, span, board),
              chance.below(2) == 0 ? "Tesla P100-PCIE-16GB" : "Tesla V100-SXM2-16GB");
}

// Kepler and Maxwell: an RC filter whose 10 to 90 % take 39 to 111 ms, 2.2 time constants.
Draw follows(Chance& chance, double seconds, Board board) {
  const double constant = chance.between(39, 111) / 2.2, period = chance.below(4) == 0 ? 15 : chance.between(96, 104);
  Load load = any_load(chance, 40, seconds, 190);
  const std::string slow = fmt::format(", time_constant_ms = {}", constant);
  return with(std::move(load), 40,
              "counter = false\naverage = false\ninstant = false\n" + sensor("usage", chance, {0, period}, board, slow),
              "Tesla K40m");
}

}  // namespace

// Gain and offset against an external meter on the PCIe rails, of the boards in the data of arXiv 2312.02741
// (JimZeyuYang/GPU_Power_Benchmark, Overall_Results.xlsx, sheets 1 and 2). Left out: the Quadro K620 of 2014, 41 W,
// which was 41 % off.
Board published_board(Chance& chance) {
  struct Row {
    double least_gain, most_gain;
    double least_offset, most_offset;  // W
  };
  constexpr Row kRows[] = {
      {0.943, 0.948, 1.4, 6.0},      // RTX 3090
      {1.001, 1.005, -5.6, -4.2},    // RTX 3070 Ti
      {1.044, 1.044, -22.6, -22.6},  // RTX 4090
      {0.954, 0.954, -1.2, -1.2},    // A100 PCIe 40 GB
      {0.999, 0.999, -0.3, -0.3},    // P100, GTX 1080 Ti
      {0.96, 0.97, -6.5, -5.0},      // RTX 2080 Ti
      {0.97, 1.02, 11, 16},          // RTX 2060 Super
      {0.87, 0.91, 6, 16},           // RTX A5000
  };
  const Row& row = kRows[chance.below(std::size(kRows))];
  const double gain = chance.between(row.least_gain, row.most_gain);
  return {.gain = gain, .offset = chance.between(row.least_offset, row.most_offset)};
}

const std::map<std::string, Make>& families() {
  static const std::map<std::string, Make> all = {
      {"counter", [](Chance& c, double s, Board b) { return by_counter(c, s, b); }},
      {"instant-100", [](Chance& c, double s, Board b) { return by_instant_100(c, s, b); }},
      {"average-1000", by_average_1000},
      {"part-time", [](Chance& c, double s, Board b) { return part_time(Pace::any, Job::silent, c, s, b); }},
      {"in-step", [](Chance& c, double s, Board b) { return part_time(Pace::in_step, Job::silent, c, s, b); }},
      {"part-time-marked", [](Chance& c, double s, Board b) { return part_time(Pace::any, Job::marks, c, s, b); }},
      {"in-step-marked", [](Chance& c, double s, Board b) { return part_time(Pace::in_step, Job::marks, c, s, b); }},
      {"low-at-idle", low_at_idle},
      {"reset", resets},
      {"wrap", goes_round},
      {"coarse", coarse},
      {"reload", reloads},
      {"lost", lost},
      {"hang", hangs},
      {"missing", misses_calls},
      {"dropouts", stands_still},
      {"fast", fast},
      {"following", follows},
  };
  return all;
}

Draw any_kind(Chance& chance, double seconds) {
  const auto& all = families();
  const auto& [name, make] = *std::next(all.begin(), static_cast<std::ptrdiff_t>(chance.below(all.size())));
  const Board board = published_board(chance);
  Draw draw = make(chance, seconds, board);
  draw.kind = name;
  return draw;
}

Draw any_sound_kind(Chance& chance, double seconds) {
  const Board board = published_board(chance);
  return any_sound(chance, seconds, board);
}

std::string toml_of(const Draw& draw, std::int64_t pid) {
  return fmt::format(
      "[[gpu]]\nname = \"{}\"\nwatts = {}\nidle_watts = {}\nutilisation = {}\n{}"
      "[[gpu.process]]\npid = {}\n{}",
      draw.name, draw.watts, draw.idle, draw.utilisation, draw.sensors, pid, draw.defects);
}

}  // namespace everywatt
