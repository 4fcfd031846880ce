#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <vector>

#include "tests/lab/standin_under_test.h"

namespace everywatt::lab {
namespace {

using nvml::Device;
using nvml::Field;
using nvml::Return;
using nvml::Scope;

constexpr const char* kOne = R"(
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
watts = { low = 100, high = 500, period_s = 1.0 }
utilisation = { low = 0, high = 1, period_s = 1.0 }
counter = { start = 7000 }
pcie = { sent = 1.0e9, received = 2.0e9 }
held_back = { power_cap = 0.25 }
[[gpu.process]]
pid = 4711
share = 0.5
memory_mib = 1000
)";

TEST(StandIn, HasEveryFunctionThatWeCall) {
  StandIn nvml;
#define LAB_CHECK(name, symbol, ...) EXPECT_NE(nvml.call.name, nullptr) << symbol;
  EVERYWATT_NVML_FUNCTIONS(LAB_CHECK)
#undef LAB_CHECK
}

TEST(StandIn, SaysNothingBeforeItIsInitialised) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  const Device gpu = nvml.gpu(0);
  EXPECT_EQ(nvml.call.shutdown(), Return::success);
  std::uint32_t milliwatts = 0;
  EXPECT_EQ(nvml.call.power_usage(gpu, &milliwatts), Return::uninitialized);
  EXPECT_EQ(nvml.call.shutdown(), Return::uninitialized);
}

TEST(StandIn, SaysWhoItIs) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  std::array<char, 96> text{};
  ASSERT_EQ(nvml.call.name(nvml.gpu(0), text.data(), text.size()), Return::success);
  EXPECT_STREQ(text.data(), "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(nvml.call.name(nvml.gpu(0), text.data(), 5), Return::insufficient_size);
  ASSERT_EQ(nvml.call.uuid(nvml.gpu(0), text.data(), text.size()), Return::success);
  Device by_uuid{};
  EXPECT_EQ(nvml.call.device_by_uuid(text.data(), &by_uuid), Return::success);
  EXPECT_EQ(by_uuid, nvml.gpu(0));
  EXPECT_EQ(nvml.call.device_by_uuid("GPU-nobody", &by_uuid), Return::not_found);
  EXPECT_EQ(nvml.call.device_by_index(1, &by_uuid), Return::invalid_argument);
  EXPECT_EQ(nvml.call.uuid(nullptr, text.data(), text.size()), Return::invalid_argument);
}

TEST(StandIn, PowerAndEnergyComeFromTheScenario) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  nvml.at(10'720 * kMillisecond);
  const auto instant = nvml.field(nvml.gpu(0), Field::power_instant);
  EXPECT_EQ(instant.status, Return::success);
  EXPECT_EQ(instant.type, nvml::ValueType::u32);
  EXPECT_EQ(instant.value.u32, 100'000u);
  EXPECT_EQ(instant.timestamp, (StandIn::kWall + 10'700 * kMillisecond) / 1000);  // when the register was renewed
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::power_average).value.u32, 300'000u);
  std::uint32_t usage = 0;
  EXPECT_EQ(nvml.call.power_usage(nvml.gpu(0), &usage), Return::success);
  EXPECT_EQ(usage, 300'000u);
  std::uint64_t energy = 0;
  EXPECT_EQ(nvml.call.total_energy(nvml.gpu(0), &energy), Return::success);
  EXPECT_EQ(energy, 7000u + 3'270'000u);
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::energy).value.u64, energy);
  EXPECT_NEAR(nvml.true_joules(0, 0, 10 * kSecond), 3000, 1e-6);
  EXPECT_TRUE(std::isnan(nvml.true_joules(1, 0, kSecond)));
}

TEST(StandIn, EachFieldHasAStatusOfItsOwn) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  nvml.at(4 * kSecond);
  std::array<nvml::FieldValue, 4> values{};
  values[0].field = Field::power_instant;
  values[1].field = Field::power_instant;
  values[1].scope = static_cast<std::uint32_t>(Scope::module);
  values[2].field = Field::power_capped_time;
  values[3].field = static_cast<Field>(9999);
  ASSERT_EQ(nvml.call.field_values(nvml.gpu(0), 4, values.data()), Return::success);
  EXPECT_EQ(values[0].status, Return::success);
  EXPECT_EQ(values[1].status, Return::not_supported);
  EXPECT_EQ(values[2].value.u64, 1'000'000'000u);  // a quarter of 4 s
  EXPECT_EQ(values[3].status, Return::not_supported);
}

TEST(StandIn, TheCountOfPcieGoesRound) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  nvml.at(5 * kSecond);
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::pcie_sent).value.u64, 5'000'000'000u - (std::uint64_t{1} << 32));
}

TEST(StandIn, UtilisationIsTheMeanOfTheLastSixth) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  nvml.at(10 * kSecond + 400 * kMillisecond);
  nvml::Utilization rates{};
  ASSERT_EQ(nvml.call.utilization(nvml.gpu(0), &rates), Return::success);
  EXPECT_EQ(rates.gpu, 100u);
  EXPECT_EQ(rates.memory, 50u);
}

TEST(StandIn, ProcessesAreListedInTwoCalls) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  std::uint32_t count = 0;
  EXPECT_EQ(nvml.call.compute_processes(nvml.gpu(0), &count, nullptr), Return::insufficient_size);
  ASSERT_EQ(count, 1u);
  nvml::ProcessInfo info{};
  ASSERT_EQ(nvml.call.compute_processes(nvml.gpu(0), &count, &info), Return::success);
  EXPECT_EQ(info.pid, 4711u);
  EXPECT_EQ(info.memory, 1000u << 20);
  EXPECT_EQ(info.gpu_instance, nvml::kNoInstance);
  count = 1;
  EXPECT_EQ(nvml.call.graphics_processes(nvml.gpu(0), &count, &info), Return::success);
  EXPECT_EQ(count, 0u);
}

TEST(StandIn, ProcessSamplesAreThoseNotSeenYet) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  nvml.at(1400 * kMillisecond);
  std::vector<nvml::ProcessUtilization> samples(100);
  std::uint32_t count = 0;
  EXPECT_EQ(nvml.call.process_utilization(nvml.gpu(0), nullptr, &count, 0), Return::insufficient_size);
  ASSERT_GT(count, 0u);
  ASSERT_EQ(nvml.call.process_utilization(nvml.gpu(0), samples.data(), &count, 0), Return::success);
  const nvml::ProcessUtilization last = samples[count - 1];
  EXPECT_EQ(last.pid, 4711u);
  EXPECT_EQ(last.sm, 50u);
  EXPECT_EQ(nvml.call.process_utilization(nvml.gpu(0), samples.data(), &count, last.timestamp), Return::not_found);
  nvml.at(1550 * kMillisecond);
  count = 100;
  ASSERT_EQ(nvml.call.process_utilization(nvml.gpu(0), samples.data(), &count, last.timestamp), Return::success);
  EXPECT_EQ(count, 1u);
}

TEST(StandIn, TheJobIsWhoTheTestSays) {
  StandIn nvml;
  ASSERT_EQ(nvml.load("[[gpu]]\nwatts = 100\n[[gpu.process]]\npid = \"job-child\"\n"), Return::success);
  nvml.set_job(100, 0);
  std::uint32_t count = 0;
  EXPECT_EQ(nvml.call.compute_processes(nvml.gpu(0), &count, nullptr), Return::success);
  nvml.set_job(100, 101);
  std::array<nvml::ProcessInfo, 2> infos{};
  count = 2;
  ASSERT_EQ(nvml.call.compute_processes(nvml.gpu(0), &count, infos.data()), Return::success);
  EXPECT_EQ(infos[0].pid, 101u);
}

// A process that lives until it is told to end, with children that do the same.
struct Family {
  explicit Family(int children) {
    pid = ::fork();
    if (pid != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < children; ++i) {
      if (::fork() != 0) continue;
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      break;
    }
    for (;;) ::pause();
  }
  Family(const Family&) = delete;
  ~Family() { end(); }
  void end() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = 0;
  }

  pid_t pid = 0;
};

std::vector<std::uint32_t> processes_of(StandIn& nvml) {
  std::array<nvml::ProcessInfo, 4> infos{};
  std::uint32_t count = infos.size();
  EXPECT_EQ(nvml.call.compute_processes(nvml.gpu(0), &count, infos.data()), Return::success);
  std::vector<std::uint32_t> pids;
  for (std::uint32_t i = 0; i < count; ++i) pids.push_back(infos[i].pid);
  return pids;
}

TEST(StandIn, AProcessDeepBelowTheJobIsFoundAndKeepsItsName) {
  StandIn nvml;
  ASSERT_EQ(nvml.load("[[gpu]]\nwatts = 100\n[[gpu.process]]\npid = \"job/1\"\nshare = 0.5\n"
                      "[[gpu.process]]\npid = \"job/2\"\nshare = 0.5\n"),
            Return::success);
  nvml.set_job(::getpid(), 0);
  EXPECT_THAT(processes_of(nvml), ::testing::IsEmpty());
  Family first{0};
  EXPECT_THAT(processes_of(nvml), ::testing::ElementsAre(first.pid));
  Family second{0};
  EXPECT_THAT(processes_of(nvml), ::testing::ElementsAre(first.pid, second.pid));
  first.end();  // the second is now the only child, and no other than before
  EXPECT_THAT(processes_of(nvml), ::testing::ElementsAre(second.pid));
}

TEST(StandIn, AGrandchildIsTheChildOfAChild) {
  StandIn nvml;
  ASSERT_EQ(nvml.load("[[gpu]]\nwatts = 100\n[[gpu.process]]\npid = \"job/1/2\"\n"), Return::success);
  nvml.set_job(::getpid(), 0);
  Family family{2};
  std::vector<std::uint32_t> pids;
  for (int i = 0; i < 500 && pids.empty(); ++i) {  // they begin when they begin
    pids = processes_of(nvml);
    ::usleep(10'000);
  }
  ASSERT_EQ(pids.size(), 1u);
  EXPECT_NE(pids[0], static_cast<std::uint32_t>(family.pid));
}

TEST(StandIn, GpmGivesTheMeanBetweenTwoSamples) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(kOne), Return::success);
  nvml::GpmSupport support{.supported = 0};
  ASSERT_EQ(nvml.call.gpm_support(nvml.gpu(0), &support), Return::success);
  EXPECT_EQ(support.supported, 1u);
  nvml::GpmMetrics<4> request{};
  request.count = 3;
  for (nvml::GpmMetric& metric : request.metrics) metric.value = -1;
  request.metrics[0].metric = static_cast<std::uint32_t>(nvml::Gpm::sm_utilisation);
  request.metrics[1].metric = static_cast<std::uint32_t>(nvml::Gpm::pcie_received);
  request.metrics[2].metric = 77;
  ASSERT_EQ(nvml.call.gpm_sample_alloc(&request.first), Return::success);
  ASSERT_EQ(nvml.call.gpm_sample_alloc(&request.second), Return::success);
  ASSERT_EQ(nvml.call.gpm_sample(nvml.gpu(0), request.first), Return::success);
  nvml.at(2250 * kMillisecond);
  ASSERT_EQ(nvml.call.gpm_sample(nvml.gpu(0), request.second), Return::success);
  ASSERT_EQ(nvml.call.gpm_metrics(&request), Return::success);
  EXPECT_NEAR(request.metrics[0].value, 100 * 1.25 / 2.25, 1e-9);
  EXPECT_NEAR(request.metrics[1].value, 2.0e9 / (1 << 20), 1e-6);
  EXPECT_EQ(request.metrics[2].status, Return::not_supported);
  EXPECT_EQ(request.metrics[3].value, -1);  // not asked for, not touched
  EXPECT_EQ(nvml.call.gpm_sample_free(request.first), Return::success);
  EXPECT_EQ(nvml.call.gpm_sample_free(request.second), Return::success);
}

TEST(StandIn, AMigInstanceHasNoPowerAndItsOwnProcesses) {
  StandIn nvml;
  ASSERT_EQ(nvml.load(R"(
[[gpu]]
name = "NVIDIA A100-SXM4-80GB"
watts = 200
[[gpu.instance]]
gpu_instance = 2
compute_slices = 3
[[gpu.instance]]
gpu_instance = 5
[[gpu.process]]
pid = 7
instance = 2
)"),
            Return::success);
  Device instance{};
  ASSERT_EQ(nvml.call.mig_device(nvml.gpu(0), 0, &instance), Return::success);
  EXPECT_EQ(nvml.call.mig_device(nvml.gpu(0), 2, &instance), Return::not_found);
  std::uint32_t number = 0;
  EXPECT_EQ(nvml.call.power_usage(instance, &number), Return::not_supported);
  EXPECT_EQ(nvml.call.gpu_instance(instance, &number), Return::success);
  EXPECT_EQ(number, 2u);
  nvml::Attributes attributes{};
  ASSERT_EQ(nvml.call.attributes(instance, &attributes), Return::success);
  EXPECT_EQ(attributes.compute_slices, 3u);
  std::array<nvml::ProcessInfo, 2> infos{};
  std::uint32_t count = 2;
  ASSERT_EQ(nvml.call.compute_processes(nvml.gpu(0), &count, infos.data()), Return::success);
  EXPECT_EQ(infos[0].gpu_instance, 2u);
  nvml::Utilization rates{};
  EXPECT_EQ(nvml.call.utilization(nvml.gpu(0), &rates), Return::not_supported);
}

TEST(StandIn, ModuleAndGpuHaveMetersOfTheirOwn) {
  StandIn nvml;
  ASSERT_EQ(nvml.load("[[gpu]]\nname = \"NVIDIA GH200 120GB\"\nwatts = 300\nmodule = { watts = 500 }\n"),
            Return::success);
  nvml.at(2 * kSecond);
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::power_instant).value.u32, 300'000u);
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::power_instant, Scope::module).value.u32, 500'000u);
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::energy, Scope::module).value.u64, 1'000'000u);
  EXPECT_EQ(nvml.field(nvml.gpu(0), Field::power_instant, Scope::memory).status, Return::not_supported);
}

}  // namespace
}  // namespace everywatt::lab
