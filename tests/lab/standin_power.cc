#include "tests/lab/standin_power.h"

#include <algorithm>
#include <cmath>

namespace everywatt::lab {
namespace {

using nvml::Field;
using nvml::FieldValue;
using nvml::Return;
using nvml::Scope;
using nvml::ValueType;

constexpr std::uint32_t kAllLinks = 0xffffffff;
constexpr std::uint32_t kLinks = 18;

// What a scope has; null: nothing.
struct ScopeState {
  const Meters* meters = nullptr;
  const PowerShape* power = nullptr;
  Counter* counter = nullptr;
};

template <class T>
T* address_of(std::optional<T>& value) {
  return value ? &*value : nullptr;
}

ScopeState scope_of(Subject& subject, std::uint32_t scope) {
  GpuState& state = subject.state;
  switch (static_cast<Scope>(scope)) {
    case Scope::gpu:
      return {&subject.spec.meters, &state.power, address_of(state.counter)};
    case Scope::module:
      if (!subject.spec.module) return {};
      return {&*subject.spec.module, &subject.spec.module->power, address_of(state.module_counter)};
    case Scope::memory:
      if (!subject.spec.memory) return {};
      return {&*subject.spec.memory, &subject.spec.memory->power, address_of(state.memory_counter)};
  }
  return {};
}

void set(FieldValue& value, std::uint64_t number) {
  value.type = ValueType::u64;
  value.value.u64 = number;
}
void set(FieldValue& value, std::uint32_t number) {
  value.type = ValueType::u32;
  value.value.u64 = 0;
  value.value.u32 = number;
}

Return read_power(const std::optional<Sensor>& sensor, const PowerShape& power, const Moment& now, FieldValue& value) {
  if (!sensor) return Return::not_supported;
  value.timestamp = now.wall_microseconds(sensor->renewed(now.time));
  set(value, milli(sensor->shows(power, now.time)));
  return Return::success;
}

Return read_energy(const ScopeState& scope, const Moment& now, FieldValue& value) {
  if (!scope.counter) return Return::not_supported;
  value.timestamp = now.wall_microseconds(scope.counter->renewed(now.time));
  set(value, scope.counter->shows(now.time));
  return Return::success;
}

Return read_traffic(const std::optional<Traffic>& traffic, Shape Traffic::* direction, const Moment& now,
                    std::uint64_t divisor, std::uint64_t range, FieldValue& value) {
  if (!traffic) return Return::not_supported;
  const double bytes = std::max(0.0, ((*traffic).*direction).integral(0, std::max<Nanoseconds>(0, now.time)));
  const std::uint64_t units = static_cast<std::uint64_t>(bytes) / divisor;
  set(value, range > 0 ? units % range : units);
  return Return::success;
}

// ns for which the clocks were held back by a cause.
Return read_held_back(const Gpu& gpu, Field cause, const Moment& now, FieldValue& value) {
  const auto held = gpu.held_back.find(cause);
  const double seconds = held == gpu.held_back.end() ? 0 : held->second.integral(0, std::max<Nanoseconds>(0, now.time));
  set(value, static_cast<std::uint64_t>(std::max(0.0, seconds) * 1e9));
  return Return::success;
}

// Driver 575 has three of the causes at other numbers, and settings of power at theirs.
Return read_cause(const Subject& subject, FieldValue& value) {
  constexpr std::uint32_t kShift = static_cast<std::uint32_t>(Field::software_thermal_time) -
                                   static_cast<std::uint32_t>(Field::software_thermal_time_575);
  const bool is_575 = subject.node.scenario.driver.starts_with("575.");
  const auto id = static_cast<std::uint32_t>(value.field);
  if (id >= 251 && id <= 253) {
    return is_575 ? read_held_back(subject.spec, static_cast<Field>(id + kShift), subject.now, value)
                  : Return::not_supported;
  }
  if (id < 269 || !is_575) return read_held_back(subject.spec, value.field, subject.now, value);
  set(value, std::uint32_t{100});
  return Return::success;
}

Return read_nvlink(const Subject& subject, Shape Traffic::* direction, std::uint64_t divisor, FieldValue& value) {
  // The lab's links have one sum.
  if (value.scope != kAllLinks && value.scope != 0) return Return::invalid_argument;
  return read_traffic(subject.spec.nvlink, direction, subject.now, divisor, 0, value);
}

bool is_held_back(Field field) {
  const auto id = static_cast<std::uint32_t>(field);
  return (id >= 74 && id <= 81) || (id >= 251 && id <= 253) || (id >= 269 && id <= 271);
}

}  // namespace

std::uint32_t milli(Power power) { return static_cast<std::uint32_t>(std::max(0.0, power / (1e-3 * watt) + 1e-6)); }

std::uint32_t percent(double fraction) {
  return static_cast<std::uint32_t>(std::lround(std::clamp(fraction, 0.0, 1.0) * 100));
}

Return read_field(Subject& subject, FieldValue& value) {
  const Moment& now = subject.now;
  const Gpu& gpu = subject.spec;
  value.timestamp = now.wall_microseconds(now.time);
  value.latency = 0;
  if (subject.instance) return Return::not_supported;
  if (is_held_back(value.field)) return read_cause(subject, value);
  const ScopeState scope = scope_of(subject, value.scope);
  switch (value.field) {
    case Field::power_instant:
      return scope.meters ? read_power(scope.meters->instant, *scope.power, now, value) : Return::not_supported;
    case Field::power_average:
      return scope.meters ? read_power(scope.meters->average, *scope.power, now, value) : Return::not_supported;
    case Field::total_energy:
    case Field::energy:
      return read_energy(value.field == Field::energy ? scope : scope_of(subject, 0), now, value);
    case Field::power_limit:
      set(value, milli(gpu.limit));
      return Return::success;
    case Field::memory_temperature:
      if (!gpu.memory_temperature) return Return::not_supported;
      set(value, static_cast<std::uint32_t>(std::max(0.0, gpu.memory_temperature->at(now.time))));
      return Return::success;
    case Field::pcie_sent:
      return read_traffic(gpu.pcie, &Traffic::sent, now, 1, gpu.pcie_range, value);
    case Field::pcie_received:
      return read_traffic(gpu.pcie, &Traffic::received, now, 1, gpu.pcie_range, value);
    case Field::nvlink_links:
      if (!gpu.nvlink) return Return::not_supported;
      set(value, kLinks);
      return Return::success;
    case Field::nvlink_sent:
      return read_nvlink(subject, &Traffic::sent, 1024, value);
    case Field::nvlink_received:
      return read_nvlink(subject, &Traffic::received, 1024, value);
    case Field::nvlink5_sent:
      return gpu.architecture == nvml::Architecture::blackwell ? read_nvlink(subject, &Traffic::sent, 1, value)
                                                               : Return::not_supported;
    case Field::nvlink5_received:
      return gpu.architecture == nvml::Architecture::blackwell ? read_nvlink(subject, &Traffic::received, 1, value)
                                                               : Return::not_supported;
    default:
      return Return::not_supported;
  }
}

}  // namespace everywatt::lab
