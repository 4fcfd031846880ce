// The stand-in's functions about the library and the system, and the lab's hooks.
#include "tests/lab/standin.h"
#include "tests/lab/standin_hooks.h"

using namespace everywatt;
using namespace everywatt::lab;
using nvml::Device;
using nvml::Return;

LAB_EXPORT void everywatt_lab_load(const char* toml_text_or_path) { state().load(toml_text_or_path); }
LAB_EXPORT void everywatt_lab_set_time(long long steady_ns, long long wall_ns) { state().set_time(steady_ns, wall_ns); }
LAB_EXPORT void everywatt_lab_set_job(int job, int job_child) { state().set_job(job, job_child); }
LAB_EXPORT double everywatt_lab_true_joules(int gpu, long long from_ns, long long to_ns) {
  return state().true_joules(gpu, from_ns, to_ns);
}

LAB_EXPORT double everywatt_lab_true_idle_joules(int gpu, long long from_ns, long long to_ns) {
  return state().true_idle_joules(gpu, from_ns, to_ns);
}

LAB_EXPORT Return nvmlInit_v2() { return state().init(); }
LAB_EXPORT Return nvmlInit() { return state().init(); }
LAB_EXPORT Return nvmlInitWithFlags(std::uint32_t) { return state().init(); }
LAB_EXPORT Return nvmlShutdown() { return state().shutdown(); }

LAB_EXPORT const char* nvmlErrorString(Return status) {
  switch (status) {
    case Return::success:
      return "Success";
    case Return::uninitialized:
      return "Uninitialized";
    case Return::invalid_argument:
      return "Invalid Argument";
    case Return::not_supported:
      return "Not Supported";
    case Return::no_permission:
      return "Insufficient Permissions";
    case Return::not_found:
      return "Not Found";
    case Return::insufficient_size:
      return "Insufficient Size";
    case Return::driver_not_loaded:
      return "Driver Not Loaded";
    case Return::timeout:
      return "Timeout";
    case Return::function_not_found:
      return "Function Not Found";
    case Return::gpu_is_lost:
      return "GPU is lost";
    case Return::reset_required:
      return "GPU requires reset";
    case Return::version_mismatch:
      return "Driver/library version mismatch";
    case Return::argument_version_mismatch:
      return "Argument version mismatch";
    default:
      return "Unknown Error";
  }
}

LAB_EXPORT Return nvmlSystemGetDriverVersion(char* into, std::uint32_t size) {
  return state().on_library("nvmlSystemGetDriverVersion",
                            [&](Node& node, std::uint32_t) { return copy_text(node.scenario.driver, into, size); });
}
LAB_EXPORT Return nvmlSystemGetNVMLVersion(char* into, std::uint32_t size) {
  return state().on_library("nvmlSystemGetNVMLVersion", [&](Node& node, std::uint32_t) {
    return copy_text(std::to_string(node.scenario.cuda / 1000) + "." + node.scenario.driver, into, size);
  });
}
namespace {

Return cuda_version(std::string_view call, int* version) {
  return state().on_library(call, [&](Node& node, std::uint32_t) {
    if (!version) return Return::invalid_argument;
    *version = node.scenario.cuda;
    return Return::success;
  });
}

}  // namespace

LAB_EXPORT Return nvmlSystemGetCudaDriverVersion_v2(int* version) {
  return cuda_version("nvmlSystemGetCudaDriverVersion_v2", version);
}
LAB_EXPORT Return nvmlSystemGetCudaDriverVersion(int* version) {
  return cuda_version("nvmlSystemGetCudaDriverVersion", version);
}

LAB_EXPORT Return nvmlDeviceGetCount_v2(std::uint32_t* count) {
  return state().on_library("nvmlDeviceGetCount_v2", [&](Node& node, std::uint32_t) {
    if (!count) return Return::invalid_argument;
    *count = static_cast<std::uint32_t>(node.gpus.size());
    return Return::success;
  });
}

namespace {

// A lost GPU has no handle to give either.
template <class IsIt>
Return find_device(std::string_view call, Device* device, IsIt is_it) {
  return state().on_library(call, [&](Node& node, std::uint32_t generation) {
    if (!device) return Return::invalid_argument;
    for (std::uint32_t gpu = 0; gpu < node.gpus.size(); ++gpu) {
      if (const auto found = is_it(node, generation, gpu)) {
        *device = *found;
        return state().on_device(handle_of(generation, gpu), call, [](Subject&) { return Return::success; });
      }
    }
    return Return::not_found;
  });
}

}  // namespace

LAB_EXPORT Return nvmlDeviceGetHandleByIndex_v2(std::uint32_t index, Device* device) {
  const Return status = find_device("nvmlDeviceGetHandleByIndex_v2", device,
                                    [&](Node&, std::uint32_t generation, std::uint32_t gpu) -> std::optional<Device> {
                                      return gpu == index ? std::optional{handle_of(generation, gpu)} : std::nullopt;
                                    });
  return status == Return::not_found ? Return::invalid_argument : status;
}

LAB_EXPORT Return nvmlDeviceGetHandleByUUID(const char* uuid, Device* device) {
  if (!uuid) return Return::invalid_argument;
  return find_device("nvmlDeviceGetHandleByUUID", device,
                     [&](Node& node, std::uint32_t generation, std::uint32_t gpu) -> std::optional<Device> {
                       const Gpu& spec = node.gpus[gpu]->spec;
                       if (spec.uuid == uuid) return handle_of(generation, gpu);
                       for (std::size_t i = 0; i < spec.instances.size(); ++i) {
                         if (spec.instances[i].uuid == uuid) return handle_of(generation, gpu, i);
                       }
                       return std::nullopt;
                     });
}

LAB_EXPORT Return nvmlDeviceGetHandleBySerial(const char* serial, Device* device) {
  if (!serial) return Return::invalid_argument;
  return find_device("nvmlDeviceGetHandleBySerial", device,
                     [&](Node& node, std::uint32_t generation, std::uint32_t gpu) -> std::optional<Device> {
                       if (node.gpus[gpu]->spec.serial == serial) return handle_of(generation, gpu);
                       return std::nullopt;
                     });
}
