// What any Store does, over both forms that it can have on disk.
#include "store/store.h"

#include <gmock/gmock.h>

#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::AnyStore;
using testing::device_named;
using ::testing::ElementsAre;
using testing::entry_of;
using ::testing::HasSubstr;
using testing::must;
using testing::points_of;
using testing::run_named;

INSTANTIATE_TEST_SUITE_P(Forms, AnyStore, testing::kForms, testing::form_name);

Run run_with_everything() {
  Run run = run_named("abc123");
  run.project = "digits";
  run.model = "mlp";
  run.model_version = "7";
  run.origin = "attach";
  run.status = RunStatus::killed;
  run.parent = "parent1";
  run.command = {"python3", "train.py", "a \"quoted\" \\ word", "line\nbreak", "\xff not UTF-8", ""};
  run.exit_status = 137;
  run.ended_by = "signal 9 (SIGKILL)";
  run.ended = Instant{.steady = 9 * kSecond, .wall = 1'004 * kSecond};
  run.tags = {{"lr", "0.1"}, {"", "empty key"}};
  run.metrics = {{"loss", 0.1},
                 {"tiny", 5e-324},
                 {"big", 1.7976931348623157e308},
                 {"diverged", std::numeric_limits<double>::infinity()}};
  run.environment = {{"host", "node1"}, {"gpu", "H200"}};
  run.boundary = "node";
  run.host = "node1";
  run.usage = {.cpu_time = 12'345,
               .peak_memory_bytes = UINT64_MAX,
               .disk_read_bytes = 0,
               .disk_written_bytes = {},
               .network = {{.kind = "internet", .received = 5, .sent = UINT64_MAX, .lower_bound = true}},
               .method = "cgroup"};
  run.overhead = {.cpu_time = 77, .peak_rss_bytes = 8 << 20, .marks_dropped = 3};
  run.supervisor = {.pid = 4242, .start_ticks = UINT64_MAX, .boot_id = "b00t"};
  run.notices = {"one line", "another"};
  return run;
}

void expect_same_facts(const Run& a, const Run& b) {
  EXPECT_EQ(std::tie(a.id, a.name, a.project, a.model, a.model_version, a.origin, a.status, a.parent, a.command),
            std::tie(b.id, b.name, b.project, b.model, b.model_version, b.origin, b.status, b.parent, b.command));
  EXPECT_EQ(std::tie(a.exit_status, a.ended_by, a.started.steady, a.started.wall, a.tags, a.metrics, a.environment),
            std::tie(b.exit_status, b.ended_by, b.started.steady, b.started.wall, b.tags, b.metrics, b.environment));
  ASSERT_EQ(a.ended.has_value(), b.ended.has_value());
  const Instant x = a.ended.value_or(Instant{}), y = b.ended.value_or(Instant{});
  EXPECT_EQ(std::tie(x.steady, x.wall), std::tie(y.steady, y.wall));
  EXPECT_EQ(std::tie(a.boundary, a.host, a.notices), std::tie(b.boundary, b.host, b.notices));
  EXPECT_EQ(std::tie(a.usage.cpu_time, a.usage.peak_memory_bytes, a.usage.disk_read_bytes, a.usage.disk_written_bytes),
            std::tie(b.usage.cpu_time, b.usage.peak_memory_bytes, b.usage.disk_read_bytes, b.usage.disk_written_bytes));
  ASSERT_EQ(a.usage.network.size(), b.usage.network.size());
  for (std::size_t i = 0; i < a.usage.network.size(); ++i) {
    const NetworkBytes &m = a.usage.network[i], &n = b.usage.network[i];
    EXPECT_EQ(std::tie(m.kind, m.received, m.sent, m.lower_bound), std::tie(n.kind, n.received, n.sent, n.lower_bound));
  }
  EXPECT_EQ(std::tie(a.usage.method, a.overhead.cpu_time, a.overhead.peak_rss_bytes, a.overhead.marks_dropped),
            std::tie(b.usage.method, b.overhead.cpu_time, b.overhead.peak_rss_bytes, b.overhead.marks_dropped));
  EXPECT_EQ(std::tie(a.supervisor.pid, a.supervisor.start_ticks, a.supervisor.boot_id),
            std::tie(b.supervisor.pid, b.supervisor.start_ticks, b.supervisor.boot_id));
}

TEST_P(AnyStore, GivesBackEveryFactOfARun) {
  const everywatt::Run run = run_with_everything();
  {
    const auto store = open();
    must(store->put_run(run));
    must(store->commit());
  }
  expect_same_facts(must(open()->read("abc123")).run, run);
}

TEST_P(AnyStore, GivesBackEveryFactOfADevice) {
  DeviceRecord full{.device = {.id = "gpu:GPU-1",
                               .kind = DeviceKind::gpu,
                               .model = "H200",
                               .parent = "module:0",
                               .follows = "package:0",
                               .cpus = {0, 1, 255},
                               .includes_memory = true}};
  full.counted = false;
  full.method = Method::integrated;
  full.sensor = "nvml";
  full.correlation = "nvml 535";
  full.measured = INT64_MAX;
  full.uncertainty_random = 1;
  full.uncertainty_systematic = 2;
  full.observed = 3;
  full.busy_time = 4;
  full.reserved_time = 5;
  full.utilisation_known = false;
  full.flags = {"pids-not-visible"};
  full.correction = Correction{.gain = 1.0526315789473684, .offset = -5.263 * watt};
  full.checks = {{.sensor = "nvml-average", .ratio = 1.012, .over = 60 * kSecond}};
  DeviceRecord bare{.device = {.id = "dram:0", .kind = DeviceKind::dram}};
  bare.reason = "no sensor";
  const auto store = open();
  must(store->put_run(run_named("r1")));
  must(store->append("r1", {.devices = {full, bare}}));
  must(store->commit());

  const auto devices = must(store->read("r1")).devices;
  ASSERT_EQ(devices.size(), 2u);
  const DeviceRecord& d = devices[0];
  EXPECT_EQ(std::tie(d.device.id, d.device.kind, d.device.model, d.device.parent, d.device.follows, d.device.cpus),
            std::tie(full.device.id, full.device.kind, full.device.model, full.device.parent, full.device.follows,
                     full.device.cpus));
  EXPECT_TRUE(d.device.includes_memory);
  EXPECT_EQ(std::tie(d.counted, d.method, d.sensor, d.correlation, d.measured, d.uncertainty_random,
                     d.uncertainty_systematic, d.observed, d.busy_time, d.reserved_time, d.utilisation_known, d.flags),
            std::tie(full.counted, full.method, full.sensor, full.correlation, full.measured, full.uncertainty_random,
                     full.uncertainty_systematic, full.observed, full.busy_time, full.reserved_time,
                     full.utilisation_known, full.flags));
  EXPECT_EQ(d.checks, full.checks);
  EXPECT_EQ(d.correction, full.correction);
  EXPECT_EQ(d.reason, std::nullopt);
  EXPECT_EQ(devices[1].measured, std::nullopt);
  EXPECT_EQ(devices[1].correction, std::nullopt);
  EXPECT_EQ(devices[1].method, std::nullopt);
  EXPECT_EQ(devices[1].reason, "no sensor");
}

TEST_P(AnyStore, KeepsHowADeviceFaredUntilItIsToldAnew) {
  DeviceRecord gpu = device_named("gpu:GPU-1");
  gpu.quantities = {
      {.name = "sm_clock", .unit = "mhz", .mean = 1500.5, .least = 345, .most = 1980, .observed = kSecond},
      {.name = "held_back_power_cap", .unit = "seconds", .total = 0, .is_sampled = true, .observed = 2 * kSecond},
      {.name = "memory_temperature", .unit = "celsius", .reason = "not supported"}};
  const auto store = open();
  must(store->put_run(run_named("r1")));
  must(store->append("r1", {.devices = {gpu, device_named("package:0")}}));
  must(store->append("r1", {.devices = {device_named("gpu:GPU-1")}}));  // in one commit …
  must(store->commit());
  must(store->append("r1", {.devices = {device_named("gpu:GPU-1")}}));  // … and in the next
  must(store->commit());
  EXPECT_EQ(must(open()->read("r1")).devices.at(0).quantities, gpu.quantities);
  EXPECT_TRUE(must(open()->read("r1")).devices.at(1).quantities.empty());

  gpu.quantities[0].mean = 1501;
  gpu.quantities[1].total = std::nullopt;
  gpu.quantities[1].reason = "never read";
  must(store->append("r1", {.devices = {gpu}}));
  must(store->commit());
  EXPECT_EQ(must(open()->read("r1")).devices.at(0).quantities, gpu.quantities);
}

TEST_P(AnyStore, ReplacesASpanThatIsToldAgain) {
  const Span first{.number = 1, .path = "epoch", .process = 2, .begin = 5, .end = 9, .energy = 10};
  Span second{.number = 2, .path = "epoch", .begin = 9, .end = 12, .energy = -1};
  const auto store = open();
  must(store->put_run(run_named("r1")));
  must(store->append("r1", {.spans = {second}}));
  must(store->append("r1", {.spans = {first}}));
  must(store->commit());
  second.energy = 20;
  must(store->append("r1", {.spans = {second}}));
  must(store->commit());
  EXPECT_THAT(must(open()->read("r1")).spans, ElementsAre(first, second));
}

TEST_P(AnyStore, AddsEntriesUpAndReplacesDevicesAndPhases) {
  const auto store = open();
  must(store->put_run(run_named("r1")));
  for (int second = 1; second <= 3; ++second) {
    RunDelta delta{.devices = {device_named("package:0")},
                   .entries = {entry_of("package:0", 10), entry_of("package:0", 5, Account::idle)},
                   .phases = {{.path = "train",
                               .count = static_cast<std::uint64_t>(second),
                               .duration = second,
                               .work = {{"flops_bf16", 1e12 * second}, {"recomputed_flops_bf16", 0}}}},
                   .gaps = {{.device = "package:0", .started_wall = second, .length = 1, .reason = "silence"}}};
    delta.devices[0].measured = 100 * second;
    must(store->append("r1", delta));
    if (second != 2) must(store->commit());  // two deltas in one commit, too
  }
  const RunRecord record = must(store->read("r1"));
  ASSERT_EQ(record.entries.size(), 2u);
  EXPECT_EQ(record.entries[0].energy, 30);
  EXPECT_EQ(record.entries[0].phase, "train/epoch");
  EXPECT_EQ(record.entries[1].energy, 15);
  EXPECT_EQ(record.entries[1].account, Account::idle);
  ASSERT_EQ(record.devices.size(), 1u);
  EXPECT_EQ(record.devices[0].measured, 300);
  ASSERT_EQ(record.phases.size(), 1u);
  EXPECT_EQ(record.phases[0].count, 3u);
  EXPECT_EQ(record.phases[0].work, (std::map<std::string, double>{{"flops_bf16", 3e12}, {"recomputed_flops_bf16", 0}}));
  EXPECT_EQ(record.gaps.size(), 3u);
}

TEST_P(AnyStore, NothingLastsBeforeCommit) {
  const auto store = open();
  must(store->put_run(run_named("r1")));
  must(store->append("r1", {.entries = {entry_of("package:0", 10)}}));
  EXPECT_EQ(must(open()->list()).size(), 0u);
  must(store->commit());
  EXPECT_EQ(must(open()->list()).size(), 1u);
}

TEST_P(AnyStore, ClearsEntriesBeforeTheyAreRebuilt) {
  const auto store = open();
  must(store->put_run(run_named("r1")));
  must(store->append("r1", {.devices = {device_named("package:0")}, .entries = {entry_of("package:0", 10)}}));
  must(store->commit());
  must(store->clear_entries("r1"));
  must(store->append("r1", {.entries = {entry_of("package:0", 4, Account::other), entry_of("package:0", 3)}}));
  must(store->commit());
  const RunRecord record = must(store->read("r1"));
  ASSERT_EQ(record.entries.size(), 2u);
  const auto summaries = must(store->list());
  EXPECT_EQ(summaries[0].total, 3);
  EXPECT_EQ(summaries[0].measured, 7);
}

TEST_P(AnyStore, SumsCountedDevicesThatHaveAFigure) {
  const auto store = open();
  must(store->put_run(run_named("r1")));
  DeviceRecord node = device_named("node:a");
  node.counted = false;
  DeviceRecord blind = device_named("dram:0");
  blind.measured = std::nullopt;
  must(store->append("r1", {.devices = {device_named("package:0"), node, blind},
                            .entries = {entry_of("package:0", 10), entry_of("package:0", 7, Account::unattributed),
                                        entry_of("package:0", 2, Account::idle), entry_of("node:a", 1'000)}}));
  must(store->put_run(run_named("r2", 2'000 * kSecond)));
  must(store->append("r2", {.devices = {blind}}));
  must(store->commit());
  const auto summaries = must(store->list());
  ASSERT_EQ(summaries.size(), 2u);
  EXPECT_EQ(summaries[0].id, "r2");
  EXPECT_EQ(summaries[0].total, std::nullopt);  // missing is never zero
  EXPECT_EQ(summaries[1].total, 12);
  EXPECT_EQ(summaries[1].measured, 19);
}

TEST_P(AnyStore, ReplacesFactsAndKeepsWhatBelongsToTheRun) {
  const auto store = open();
  everywatt::Run run = run_named("r1");
  must(store->put_run(run));
  must(store->append("r1", {.devices = {device_named("package:0")}, .entries = {entry_of("package:0", 10)}}));
  must(store->commit());
  run.status = RunStatus::finished;
  run.tags["k"] = "v";
  must(store->put_run(run));
  must(store->commit());
  const RunRecord record = must(store->read("r1"));
  EXPECT_EQ(record.run.status, RunStatus::finished);
  EXPECT_EQ(record.run.tags.at("k"), "v");
  EXPECT_EQ(record.entries.size(), 1u);
  EXPECT_EQ(must(store->list())[0].total, 10);
}

TEST_P(AnyStore, WhatDevicesDidInAPhaseIsReplacedRowByRow) {
  const auto store = open();
  PhaseQuantity tensor{
      .path = "epoch", .device = "gpu:0", .name = "tensor_utilisation", .sum = 0.1, .observed = kSecond, .resolved = 7};
  const PhaseQuantity cpu{.path = "", .device = "", .name = "cpu", .sum = 12.5, .observed = 9 * kSecond, .resolved = 3};
  must(store->put_run(run_named("r1")));
  must(store->append("r1", {.phase_quantities = {cpu, tensor}}));
  must(store->commit());
  EXPECT_THAT(must(store->read("r1")).phase_quantities, ElementsAre(cpu, tensor));
  tensor.sum = 0.3;
  tensor.observed = 2 * kSecond;
  must(store->append("r1", {.phase_quantities = {tensor}}));
  must(store->commit());
  EXPECT_THAT(must(open()->read("r1")).phase_quantities, ElementsAre(cpu, tensor));
}

TEST_P(AnyStore, RemovesARunWithAllThatBelongsToIt) {
  const auto store = open();
  for (const char* id : {"keep", "gone"}) {
    must(store->put_run(run_named(id)));
    must(store->append(id, {.devices = {device_named("package:0")}, .entries = {entry_of("package:0", 10)}}));
    must(store->append(id, points_of("package:0", Track::energy, {{1, 1}, {2, 2}})));
  }
  must(store->commit());
  must(store->append("gone", {.entries = {entry_of("package:0", 1)}}));
  must(store->remove("gone"));
  EXPECT_EQ(store->read("gone").error().code, Errc::absent);
  EXPECT_EQ(store->remove("gone").error().code, Errc::absent);
  EXPECT_EQ(store->append("gone", {}).error().code, Errc::absent);
  EXPECT_EQ(must(store->list()).size(), 1u);
  EXPECT_EQ(must(store->read("keep")).entries.size(), 1u);
  // Nothing of the old run is in a new one of the same id.
  must(store->put_run(run_named("gone")));
  must(store->commit());
  EXPECT_TRUE(must(store->read("gone")).entries.empty());
  EXPECT_TRUE(must(store->series("gone", "package:0", Track::energy)).empty());
}

TEST(StoreForms, ARunRemovedByAnotherProcessIsToldOnceAndOthersGoOn) {
  testing::StorePlaceFixture place;
  const auto writer = must(place.open());
  must(writer->put_run(run_named("a")));
  must(writer->put_run(run_named("b")));
  must(writer->commit());
  must(writer->append("a", {.entries = {entry_of("package:0", 1)}}));
  must(writer->append("b", {.entries = {entry_of("package:0", 1)}}));
  must(must(place.open())->remove("a"));
  const auto committed = writer->commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Errc::absent);
  must(writer->append("b", {.entries = {entry_of("package:0", 1)}}));
  must(writer->commit());
  EXPECT_EQ(must(writer->read("b")).entries[0].energy, 2);
  // Put anew, it begins anew.
  must(writer->put_run(run_named("a")));
  must(writer->commit());
  EXPECT_TRUE(must(writer->read("a")).entries.empty());
}

TEST_P(AnyStore, RemembersFloorsAndCalibrationsOfAHost) {
  {
    const auto store = open();
    must(store->put_floor({.host = "a@/tree",
                           .device = "package:0",
                           .watts = 20.5,
                           .method = "envelope",
                           .windows = 9,
                           .learnt_wall = 5}));
    must(store->put_floor({.host = "a@/tree",
                           .device = "package:0",
                           .watts = 21.5,
                           .method = "regression",
                           .windows = 10,
                           .learnt_wall = 6}));
    must(store->put_floor({.host = "b", .device = "package:0", .watts = 1}));
    must(store->put_calibration({.host = "b",
                                 .device = "package:0",
                                 .sensor = "rapl",
                                 .gain = 1.02,
                                 .offset_watts = -3,
                                 .relative_uncertainty = 0.01,
                                 .source = "wall.csv",
                                 .made_wall = 7}));
    must(store->commit());
  }
  const auto store = open();
  const auto floor = must(store->floor("a@/tree", "package:0"));
  ASSERT_TRUE(floor);
  EXPECT_EQ(floor->watts, 21.5);
  EXPECT_EQ(floor->method, "regression");
  EXPECT_EQ(floor->windows, 10u);
  EXPECT_EQ(must(store->floor("a@/tree", "package:1")), std::nullopt);
  EXPECT_EQ(must(store->floors("b")).size(), 1u);
  const auto calibrations = must(store->calibrations("b"));
  ASSERT_EQ(calibrations.size(), 1u);
  EXPECT_EQ(calibrations[0].gain, 1.02);
  EXPECT_EQ(calibrations[0].offset_watts, -3);
  EXPECT_EQ(calibrations[0].source, "wall.csv");
  EXPECT_TRUE(must(store->calibrations("a@/tree")).empty());
}

TEST_P(AnyStore, ForgetsTheCalibrationsOfOneDevice) {
  const auto calibration = [](std::string device, std::string sensor) {
    return Calibration{.host = "b", .device = std::move(device), .sensor = std::move(sensor), .gain = 1.02};
  };
  const auto store = open();
  for (const auto& [device, sensor] : {std::pair{"gpu:1", "counter"}, {"gpu:1", "average"}, {"gpu:2", "counter"}})
    must(store->put_calibration(calibration(device, sensor)));
  must(store->commit());
  EXPECT_EQ(must(store->forget_calibrations("a", "gpu:1")), 0u);
  EXPECT_EQ(must(store->forget_calibrations("b", "gpu:1")), 2u);
  EXPECT_EQ(must(store->forget_calibrations("b", "gpu:1")), 0u);
  const auto left = must(open()->calibrations("b"));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].device, "gpu:2");
}

TEST(StoreForms, AnAbsentStoreIsAbsentWhereNoneShallBeMade) {
  testing::StorePlaceFixture place;
  for (const StoreForm form : {StoreForm::one_file, StoreForm::file_per_run}) {
    const auto store = open_store(place.path(), {.form = form, .create = false});
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::absent);
    EXPECT_TRUE(std::filesystem::is_empty(place.folder()));
  }
}

}  // namespace
}  // namespace everywatt
