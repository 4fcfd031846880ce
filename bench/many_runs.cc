// A ledger of many runs for the benchmarks: many_runs FILE COUNT. Each run
// has what a real one has: facts, an environment, two devices and their entries.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "store/store.h"

namespace {

using namespace everywatt;

constexpr Nanoseconds kFirstStart = 1'790'000'000 * kSecond;
constexpr Nanoseconds kLength = 600 * kSecond;
constexpr std::size_t kRunsPerCommit = 500;

Run run_of(std::size_t number) {
  const Nanoseconds start = static_cast<Nanoseconds>(number) * 700 * kSecond;
  Run run{.id = "bench" + std::to_string(number)};
  run.name = "train-" + std::to_string(number % 40);
  run.project = "project-" + std::to_string(number % 7);
  run.model = "resnet50";
  run.status = number % 13 == 0 ? RunStatus::failed : RunStatus::finished;
  run.command = {"python3", "train.py", "--seed", std::to_string(number)};
  run.exit_status = number % 13 == 0 ? 1 : 0;
  run.started = {.steady = start, .wall = kFirstStart + start};
  run.ended = Instant{.steady = start + kLength, .wall = kFirstStart + start + kLength};
  run.tags = {{"framework", "pytorch"}, {"precision", "bf16"}};
  run.metrics = {{"accuracy", 0.75}, {"loss", 1.1}};
  run.environment = {
      {"host", "node-1"}, {"cpu", "AMD EPYC 7763 64-Core Processor"}, {"cpus", "256"}, {"kernel", "6.1.0"}};
  run.host = "node-1";
  return run;
}

RunDelta delta_of(std::size_t number, const Run& run) {
  RunDelta delta;
  for (const char* id : {"package:0", "dram:0"}) {
    const MicroJoules busy = 40'000'000'000 + static_cast<MicroJoules>(number) * 1'000'003;
    const MicroJoules idle = busy / 5;
    DeviceRecord record;
    record.device = {.id = id, .kind = id[0] == 'p' ? DeviceKind::package : DeviceKind::dram, .model = "AMD EPYC 7763"};
    record.method = Method::counter;
    record.sensor = "rapl-powercap";
    record.measured = 4 * (busy + idle);
    record.observed = kLength;
    delta.devices.push_back(record);
    const std::int64_t minute = run.started.wall / (60 * kSecond);
    for (std::int64_t i = 0; i < 4; ++i) {
      delta.entries.push_back({.device = id, .account = Account::busy, .minute = minute + i, .energy = busy});
      delta.entries.push_back({.device = id, .account = Account::idle, .minute = minute + i, .energy = idle});
    }
  }
  return delta;
}

Result<void> fill(const char* path, std::size_t count) {
  TRY(const auto store, open_store(path));
  for (std::size_t number = 0; number < count; ++number) {
    const Run run = run_of(number);
    CHECK(store->put_run(run));
    CHECK(store->append(run.id, delta_of(number, run)));
    if (number % kRunsPerCommit + 1 == kRunsPerCommit) CHECK(store->commit());
  }
  return store->commit();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: many_runs FILE COUNT\n", stderr);
    return 2;
  }
  const auto filled = fill(argv[1], std::strtoull(argv[2], nullptr, 10));
  if (!filled) std::fprintf(stderr, "many_runs: %s\n", filled.error().what.c_str());
  return filled ? 0 : 1;
}
