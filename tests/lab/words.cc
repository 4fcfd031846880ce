#include "tests/lab/words.h"

namespace everywatt::lab {
namespace {

using nvml::Architecture;
using nvml::Field;
using nvml::Gpm;
using nvml::Return;

template <class T>
using Word = std::pair<std::string_view, T>;

constexpr Word<Return> kStatuses[] = {
    {"success", Return::success},
    {"uninitialized", Return::uninitialized},
    {"invalid_argument", Return::invalid_argument},
    {"not_supported", Return::not_supported},
    {"no_permission", Return::no_permission},
    {"not_found", Return::not_found},
    {"insufficient_size", Return::insufficient_size},
    {"driver_not_loaded", Return::driver_not_loaded},
    {"timeout", Return::timeout},
    {"function_not_found", Return::function_not_found},
    {"gpu_is_lost", Return::gpu_is_lost},
    {"reset_required", Return::reset_required},
    {"operating_system", Return::operating_system},
    {"version_mismatch", Return::version_mismatch},
    {"no_data", Return::no_data},
    {"argument_version_mismatch", Return::argument_version_mismatch},
    {"not_ready", Return::not_ready},
    {"gpu_not_found", Return::gpu_not_found},
    {"unknown", Return::unknown},
};

constexpr Word<Architecture> kArchitectures[] = {
    {"kepler", Architecture::kepler},   {"maxwell", Architecture::maxwell}, {"pascal", Architecture::pascal},
    {"volta", Architecture::volta},     {"turing", Architecture::turing},   {"ampere", Architecture::ampere},
    {"ada", Architecture::ada},         {"hopper", Architecture::hopper},   {"blackwell", Architecture::blackwell},
    {"unknown", Architecture::unknown},
};

constexpr Word<Field> kThrottleFields[] = {
    {"power_cap", Field::power_capped_time},
    {"thermal", Field::thermally_capped_time},
    {"sync_boost", Field::sync_boost_time},
    {"board_limit", Field::board_limited_time},
    {"low_utilisation", Field::low_utilisation_time},
    {"reliability", Field::reliability_time},
    {"software_thermal", Field::software_thermal_time},
    {"hardware_thermal", Field::hardware_thermal_time},
    {"power_brake", Field::power_brake_time},
    {"below_application_clocks", Field::below_application_clocks_time},
    {"below_base_clocks", Field::below_base_clocks_time},
};

constexpr Word<Gpm> kGpm[] = {
    {"graphics_utilisation", Gpm::graphics_utilisation},
    {"sm_utilisation", Gpm::sm_utilisation},
    {"sm_occupancy", Gpm::sm_occupancy},
    {"tensor_utilisation", Gpm::tensor_utilisation},
    {"memory_bandwidth", Gpm::memory_bandwidth},
    {"fp64_utilisation", Gpm::fp64_utilisation},
    {"fp32_utilisation", Gpm::fp32_utilisation},
    {"fp16_utilisation", Gpm::fp16_utilisation},
};

}  // namespace

Words<Return> statuses() { return kStatuses; }
Words<Architecture> architectures() { return kArchitectures; }
Words<Field> throttle_fields() { return kThrottleFields; }
Words<Gpm> gpm_metrics() { return kGpm; }

}  // namespace everywatt::lab
