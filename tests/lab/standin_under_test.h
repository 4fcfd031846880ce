// The stand-in, opened as a program opens NVIDIA's library, with its time held by
// the test.
//
//   StandIn nvml;
//   nvml.load("[[gpu]]\nwatts = 300\n");
//   nvml.at(2 * kSecond);  // of the scenario
//   nvml.call.power_usage(nvml.gpu(0), &milliwatts);
#pragma once
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>

#include "base/clock.h"
#include "sources/nvml_library.h"
#include "tests/lab/standin_hooks.h"

namespace everywatt::lab {

class StandIn {
 public:
  static constexpr Nanoseconds kStart = 5000 * kSecond;          // CLOCK_MONOTONIC
  static constexpr Nanoseconds kWall = 1'700'000'000 * kSecond;  // at the start

  explicit StandIn(const char* path = EVERYWATT_NVML_STANDIN) : handle_{::dlopen(path, RTLD_NOW | RTLD_LOCAL)} {
    EXPECT_NE(handle_, nullptr) << ::dlerror();
#define LAB_RESOLVE(name, symbol, ...) find(symbol, call.name);
    EVERYWATT_NVML_FUNCTIONS(LAB_RESOLVE)
#undef LAB_RESOLVE
    find("everywatt_lab_load", load_);
    find("everywatt_lab_set_time", set_time_);
    find("everywatt_lab_set_job", set_job);
    find("everywatt_lab_true_joules", true_joules_);
  }
  StandIn(const StandIn&) = delete;

  // Time 0 of the scenario, and initialised where that succeeds.
  nvml::Return load(const std::string& toml) {
    at(0);
    load_((toml + "\n").c_str());
    return call.init();
  }
  void at(Nanoseconds time) { set_time_(kStart + time, kWall + time); }
  nvml::Device gpu(std::uint32_t index) {
    nvml::Device device{};
    EXPECT_EQ(call.device_by_index(index, &device), nvml::Return::success);
    return device;
  }
  double true_joules(int gpu, Nanoseconds from, Nanoseconds to) {
    return true_joules_(gpu, kStart + from, kStart + to);
  }

  nvml::FieldValue field(nvml::Device device, nvml::Field field, nvml::Scope scope = nvml::Scope::gpu) {
    nvml::FieldValue value{};
    value.field = field;
    value.scope = static_cast<std::uint32_t>(scope);
    const nvml::Return status = call.field_values(device, 1, &value);
    if (status != nvml::Return::success) value.status = status;
    return value;
  }

  nvml::Functions call;
  decltype(&everywatt_lab_set_job) set_job = nullptr;

 private:
  template <class Function>
  void find(const char* symbol, Function& into) {
    into = reinterpret_cast<Function>(::dlsym(handle_, symbol));  // NOLINT: dlsym's own form
  }

  void* handle_;
  decltype(&everywatt_lab_load) load_ = nullptr;
  decltype(&everywatt_lab_set_time) set_time_ = nullptr;
  decltype(&everywatt_lab_true_joules) true_joules_ = nullptr;
};

}  // namespace everywatt::lab
