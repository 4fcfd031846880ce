// The least that a sampler of GPUs can do: bare_nvml TIMES sleeps 100 ms and makes the
// calls that everywatt makes of each GPU, TIMES times over, keeps nothing, and prints
// its own CPU seconds per second from the first call on. What the library takes, the
// lab's stand-in or NVIDIA's, is in this figure and in everybody's.
//
// EVERYWATT_NVML_LIBRARY names the library.
#include <poll.h>
#include <sys/resource.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "sources/nvml_library.h"

namespace everywatt {
namespace {

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

nvml::FieldValue asked(nvml::Field field) {
  nvml::FieldValue value{};
  value.field = field;
  return value;
}

// As src/sources/nvml_gpu.cc reads a Hopper.
void read(const nvml::Functions& call, nvml::Device device, std::uint64_t& last_sample) {
  std::array fields = {asked(nvml::Field::energy), asked(nvml::Field::power_instant),
                       asked(nvml::Field::power_average)};
  (void)call.field_values(device, static_cast<int>(fields.size()), fields.data());
  nvml::Utilization utilisation{};
  (void)call.utilization(device, &utilisation);
  std::array<nvml::ProcessUtilization, 64> samples{};
  std::uint32_t count = 0;
  if (call.process_utilization(device, nullptr, &count, last_sample) == nvml::Return::insufficient_size) {
    count = samples.size();
    if (call.process_utilization(device, samples.data(), &count, last_sample) == nvml::Return::success && count > 0)
      last_sample = samples[count - 1].timestamp;
  }
  std::array<nvml::ProcessInfo, 16> processes{};
  for (const auto list : {call.compute_processes, call.graphics_processes, call.mps_processes}) {
    count = processes.size();
    (void)list(device, &count, processes.data());
  }
}

int run(long times) {
  const char* path = std::getenv("EVERYWATT_NVML_LIBRARY");
  const auto library = nvml::Library::open(path ? path : "libnvidia-ml.so.1");
  if (!library) {
    std::fprintf(stderr, "bare_nvml: %s\n", library.error().what.c_str());
    return 1;
  }
  const nvml::Functions& call = (*library)->call;
  std::uint32_t count = 0;
  (void)call.device_count(&count);
  std::vector<nvml::Device> devices(count);
  for (std::uint32_t i = 0; i < count; ++i) (void)call.device_by_index(i, &devices[i]);
  std::vector<std::uint64_t> last_samples(count);
  const timespec period{.tv_sec = 0, .tv_nsec = 100'000'000};
  const double before = cpu_seconds();
  for (long i = 0; i < times; ++i) {
    (void)::ppoll(nullptr, 0, &period, nullptr);
    for (std::uint32_t gpu = 0; gpu < count; ++gpu) read(call, devices[gpu], last_samples[gpu]);
  }
  std::printf("%.9f\n", (cpu_seconds() - before) / (0.1 * static_cast<double>(times)));
  return 0;
}

}  // namespace
}  // namespace everywatt

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: bare_nvml TIMES\n", stderr);
    return 2;
  }
  return everywatt::run(std::strtol(argv[1], nullptr, 10));
}
