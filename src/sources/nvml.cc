// NVIDIA GPUs through NVML: which there are. Each is a source of its own
// (nvml_gpu.h), opened by itself, so that one that does not answer holds up no other.
#include <unistd.h>

#include <array>
#include <string>

#include "base/file.h"
#include "sources/nvml_gpu.h"
#include "sources/nvml_library.h"
#include "sources/source.h"

namespace everywatt {
namespace {

nvml::Driver driver_of(const nvml::Library& library) {
  nvml::Driver driver;
  std::array<char, 96> version{};
  if (nvml::call_if_there(library.call.driver_version, version.data(), std::uint32_t{version.size() - 1}) ==
      nvml::Return::success)
    driver.version = version.data();
  int cuda = 0;
  if (nvml::call_if_there(library.call.cuda_version, &cuda) == nvml::Return::success)
    driver.cuda = std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
  return driver;
}

Result<std::vector<SlowDevice>> start(const std::filesystem::path& path) {
  TRY(const std::shared_ptr<nvml::Library> library, nvml::Library::open(path));
  std::uint32_t count = 0;
  if (const nvml::Return status = library->call.device_count(&count); status != nvml::Return::success)
    return fail(Errc::io, "count the GPUs: " + std::string{nvml::words_of(status)});
  if (count == 0) return fail(Errc::absent, "NVIDIA's driver is there and sees no GPU");
  const nvml::Driver driver = driver_of(*library);
  std::vector<SlowDevice> gpus;
  for (std::uint32_t i = 0; i < count; ++i)
    gpus.push_back({"GPU " + std::to_string(i), [=] { return nvml::Gpu::open(library, i, driver); }});
  return gpus;
}

// Loading the library costs milliseconds: where nothing speaks for a driver it is not tried.
bool may_have_driver(const Roots& roots) {
  if (roots.nvml_library != "libnvidia-ml.so.1") return true;  // named by the user
  std::error_code ignored;
  return std::filesystem::exists(roots.proc / "driver/nvidia/version", ignored) ||
         ::access("/dev/nvidiactl", F_OK) == 0 || ::access("/dev/dxg", F_OK) == 0;
}

}  // namespace

Result<SlowOpen> find_nvml(const Roots& roots) {
  if (roots.nvml_library.empty()) return fail(Errc::absent, "no NVIDIA driver");
  if (!may_have_driver(roots)) return fail(Errc::absent, "no NVIDIA driver");
  return SlowOpen{[path = roots.nvml_library] { return start(path); }};
}

}  // namespace everywatt
