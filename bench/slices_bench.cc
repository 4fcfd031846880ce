// How long it takes to draw a long series: slices_bench FILE POINTS
// [--benchmark_…] writes one channel at 10 Hz into a ledger and asks for 1,000
// slices of all of it, as a dashboard does.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "store/store.h"

namespace {

using namespace everywatt;

constexpr Nanoseconds kPeriod = 100 * kMillisecond;
constexpr std::size_t kSlices = 1000;
constexpr std::size_t kPointsPerCommit = 600;  // a minute at a time: the file is the same, and made sooner
constexpr const char* kRun = "slices0000";
constexpr const char* kDevice = "package:0";

// 150 W with a standard deviation of 10 W, as cumulative microjoules.
Result<void> fill(const std::string& path, std::size_t count) {
  TRY(const auto store, open_store(path));
  Run run{.id = kRun};
  run.name = "day";
  CHECK(store->put_run(run));
  DeviceRecord record;
  record.device = {.id = kDevice, .kind = DeviceKind::package};
  std::mt19937_64 chance{1};
  std::normal_distribution<double> joules{15.0, 1.0};
  Nanoseconds time = 1000 * kSecond;
  std::int64_t total = 0;
  for (std::size_t done = 0; done < count; done += kPointsPerCommit) {
    RunDelta delta;
    delta.devices = {record};
    auto& points = delta.series.emplace_back(RunDelta::Series{.device = kDevice}).points[Track::energy];
    for (std::size_t i = 0; i < kPointsPerCommit; ++i) {
      total += static_cast<std::int64_t>(joules(chance) * 1e6);
      points.push_back({.time = time += kPeriod, .value = total});
    }
    CHECK(store->append(kRun, delta));
    CHECK(store->commit());
  }
  return {};
}

std::unique_ptr<Store> open_or_die(const std::string& path) {
  auto store = open_store(path);
  if (store) return *std::move(store);
  std::fprintf(stderr, "slices_bench: %s\n", store.error().what.c_str());
  std::exit(1);
}

void draw(Store& store, benchmark::State& state) {
  auto slices = store.slices(kRun, kDevice, Track::energy, kSlices);
  if (!slices || slices->size() != kSlices) {
    std::fprintf(stderr, "slices_bench: %s\n", slices ? "not 1,000 slices" : slices.error().what.c_str());
    std::exit(1);
  }
  benchmark::DoNotOptimize(slices->data());
  state.SetItemsProcessed(state.iterations());
}

// A call on a store that has drawn nothing yet.
void first_call(benchmark::State& state, const std::string& path) {
  for (auto _ : state) {
    state.PauseTiming();
    auto store = open_or_die(path);
    state.ResumeTiming();
    draw(*store, state);
    state.PauseTiming();
    store.reset();
    state.ResumeTiming();
  }
}

void later_calls(benchmark::State& state, const std::string& path) {
  auto store = open_or_die(path);
  draw(*store, state);
  for (auto _ : state) draw(*store, state);
}

void reopened(benchmark::State& state, const std::string& path) {
  for (auto _ : state) draw(*open_or_die(path), state);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fputs("usage: slices_bench FILE POINTS [--benchmark_…]\n", stderr);
    return 2;
  }
  const std::string path = argv[1];
  if (const auto filled = fill(path, std::strtoull(argv[2], nullptr, 10)); !filled) {
    std::fprintf(stderr, "slices_bench: %s\n", filled.error().what.c_str());
    return 1;
  }
  using Benchmark = void (*)(benchmark::State&, const std::string&);
  const std::pair<const char*, Benchmark> benchmarks[] = {
      {"first_call", first_call}, {"later_calls", later_calls}, {"reopened", reopened}};
  for (const auto& [name, function] : benchmarks) {
    benchmark::RegisterBenchmark(name, [function, &path](benchmark::State& state) {
      function(state, path);
    })->Unit(benchmark::kMillisecond);
  }
  argv[2] = argv[0];
  int rest = argc - 2;
  benchmark::Initialize(&rest, argv + 2);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
