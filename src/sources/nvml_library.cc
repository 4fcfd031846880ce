#include "sources/nvml_library.h"

#include <dlfcn.h>

#include <algorithm>

namespace everywatt::nvml {
namespace {

Functions resolve(void* handle) {
  Functions functions;
#define EVERYWATT_NVML_RESOLVE(name, symbol, ...) \
  functions.name = reinterpret_cast<decltype(functions.name)>(::dlsym(handle, symbol));  // NOLINT: dlsym's own form
  EVERYWATT_NVML_FUNCTIONS(EVERYWATT_NVML_RESOLVE)
#undef EVERYWATT_NVML_RESOLVE
  const auto find_older = [handle](auto& function, const char* symbol) {
    if (!function) function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, symbol));
  };
  // What a driver of before 535 calls throttling.
  find_older(functions.clock_reasons, "nvmlDeviceGetCurrentClocksThrottleReasons");
  // Before 510.39, and 535.98; of the same form.
  find_older(functions.compute_processes, "nvmlDeviceGetComputeRunningProcesses_v2");
  find_older(functions.graphics_processes, "nvmlDeviceGetGraphicsRunningProcesses_v2");
  find_older(functions.mps_processes, "nvmlDeviceGetMPSComputeRunningProcesses_v2");
  find_older(functions.cuda_version, "nvmlSystemGetCudaDriverVersion");
  return functions;
}

Errc code_of(Return status) {
  if (status == Return::driver_not_loaded || status == Return::gpu_not_found) return Errc::absent;
  return status == Return::no_permission ? Errc::denied : Errc::io;
}

}  // namespace

Result<std::shared_ptr<Library>> Library::open(const std::filesystem::path& path) {
  // Left open for good: vendor libraries keep threads and do not survive being closed.
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = ::dlerror();
    const std::string reason = why ? why : "";
    const bool is_missing = reason.find("No such file") != reason.npos;
    return fail(is_missing ? Errc::absent : Errc::io,
                is_missing ? "no " + path.string() + " (NVIDIA's driver brings it)" : "open NVML: " + reason);
  }
  const Functions functions = resolve(handle);
  if (!functions.init || !functions.device_count || !functions.device_by_index || !functions.uuid)
    return fail(Errc::io, path.string() + " is not NVIDIA's management library: set EVERYWATT_NVML_LIBRARY to it");
  if (const Return status = functions.init(); status != Return::success)
    return fail(code_of(status), "start NVML: " + std::string{words_of(status)});
  return std::shared_ptr<Library>{new Library{functions}};
}

Library::~Library() { (void)call_if_there(call.shutdown); }

std::string_view words_of(Return status) {
  switch (status) {
    case Return::success:
      return "success";
    case Return::uninitialized:
      return "the library is not initialised (was the driver loaded anew?)";
    case Return::not_supported:
      return "this GPU or driver does not have it";
    case Return::no_permission:
      return "no permission";
    case Return::driver_not_loaded:
      return "NVIDIA's kernel driver is not loaded";
    case Return::timeout:
      return "no answer in time";
    case Return::function_not_found:
      return "this driver does not have the function";
    case Return::gpu_is_lost:
      return "the GPU is lost (it fell off the bus or is being reset)";
    case Return::reset_required:
      return "the GPU must be reset";
    case Return::version_mismatch:
      return "library and kernel driver are of different versions (a reboot after the update helps)";
    case Return::gpu_not_found:
      return "no GPU found";
    default:
      return "an error of the driver";
  }
}

}  // namespace everywatt::nvml
