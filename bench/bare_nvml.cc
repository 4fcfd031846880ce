// The least that a sampler of GPUs can do: bare_nvml TIMES sleeps 100 ms and reads all GPUs as everywatt does, by the
// same code (src/sources/nvml_gpu.cc), TIMES times over, keeps nothing, and prints its own CPU seconds per second from
// the first reading on. What the library takes, the lab's stand-in or NVIDIA's, is in this figure and in everybody's.
//
// EVERYWATT_NVML_LIBRARY names the library.
#include <poll.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "sources/nvml_gpu.h"
#include "sources/nvml_library.h"

namespace everywatt {
namespace {

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

Result<std::vector<std::unique_ptr<Source>>> open_gpus() {
  const char* path = std::getenv("EVERYWATT_NVML_LIBRARY");
  TRY(const std::shared_ptr<nvml::Library> library, nvml::Library::open(path ? path : "libnvidia-ml.so.1"));
  std::uint32_t count = 0;
  (void)library->call.device_count(&count);
  std::vector<std::unique_ptr<Source>> gpus;
  for (std::uint32_t i = 0; i < count; ++i) {
    TRY(auto gpu, nvml::Gpu::open(library, i, {}));
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

int run(std::uint64_t times) {
  const auto gpus = open_gpus();
  if (!gpus) {
    std::fprintf(stderr, "bare_nvml: %s\n", gpus.error().what.c_str());
    return 1;
  }
  const timespec period{.tv_sec = 0, .tv_nsec = 100'000'000};
  std::vector<Reading> readings;
  const double before = cpu_seconds();
  for (std::uint64_t tick = 1; tick <= times; ++tick) {
    (void)::ppoll(nullptr, 0, &period, nullptr);
    readings.clear();
    for (const auto& gpu : *gpus) (void)gpu->sample_on_pace(tick, readings);
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
  return everywatt::run(std::strtoull(argv[1], nullptr, 10));
}
