// The state behind the stand-in: the scenario, the clock, who initialised it, and
// what each handle means. The exported functions are one line each: they say on
// what they work and what they answer.
//
//   return on_gpu(device, "nvmlDeviceGetPowerUsage", [&](Subject& gpu) { …; return Return::success; });
//
// A C library has its state in one place for the process: state() is that place.
// Calls for one GPU wait for one another, as a hang shows; others go on.
#pragma once
#include <sys/types.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tests/lab/answer.h"
#include "tests/lab/call_counts.h"
#include "tests/lab/scenario.h"

#define LAB_EXPORT extern "C" __attribute__((visibility("default")))

namespace everywatt::lab {

// Time since the scenario's start, and the wall clock there.
struct Moment {
  Nanoseconds time = 0;
  Nanoseconds wall = 0;
  // Microseconds since 1970 of another time of the scenario.
  std::int64_t wall_microseconds(Nanoseconds at) const { return (wall - (time - at)) / 1000; }
  Nanoseconds time_of(std::uint64_t wall_us) const { return static_cast<Nanoseconds>(wall_us) * 1000 - wall + time; }
};

struct GpuState {
  explicit GpuState(const Gpu& from, const std::vector<Nanoseconds>& reloads);

  Gpu spec;
  PowerShape power;  // with contexts
  std::optional<Counter> counter;
  std::optional<Counter> module_counter;
  std::optional<Counter> memory_counter;
  std::mutex mutex;  // held during a call
};

struct Node {
  explicit Node(Scenario from);
  Scenario scenario;
  bool lists_wide_processes;         // as its driver does
  std::vector<Nanoseconds> reloads;  // when the driver was back
  std::vector<std::unique_ptr<GpuState>> gpus;
};

// What a call is about.
struct Subject {
  Node& node;
  GpuState& state;
  std::uint32_t index = 0;
  const Gpu& spec;
  const MigInstance* instance = nullptr;  // the handle is that of a MIG instance
  std::uint32_t generation = 0;
  Moment now = {};
};

class State {
 public:
  State();
  void load(std::string_view text_or_path);
  void set_time(Nanoseconds steady, Nanoseconds wall);
  void set_job(pid_t job, pid_t job_child);
  double true_joules(int gpu, Nanoseconds from, Nanoseconds to);
  double true_idle_joules(int gpu, Nanoseconds from, Nanoseconds to);

  nvml::Return init();
  nvml::Return shutdown();
  // About no GPU in particular. `uninitialized` where it is so.
  nvml::Return on_library(std::string_view call, Answer<Node&, std::uint32_t> answer);
  nvml::Return on_device(nvml::Device device, std::string_view call, Answer<Subject&> answer);
  // 0: not known, or it has ended.
  pid_t resolve(const Pid& pid);
  // What befalls a call, or a field, on a GPU now. Waits if it hangs and time is real.
  nvml::Return befalls(const Node& node, std::string_view call, std::uint32_t gpu, Moment& now);
  // Each by itself, beside the call that asks for them.
  void count(std::span<const nvml::FieldValue> fields);

 private:
  std::shared_ptr<Node> node_locked();
  Moment now_locked();
  bool is_ready_locked(const Node& node, Nanoseconds time) const;
  std::uint32_t generation_locked(const Node& node) const;
  pid_t job_child_locked(pid_t job);
  void load_locked(std::string_view text_or_path);

  std::mutex mutex_;  // of all below, held for moments only
  std::shared_ptr<Node> node_;
  bool is_loaded_ = false;  // or tried
  std::optional<Nanoseconds> start_ = {};
  std::optional<Moment> virtual_ = {};  // .time is CLOCK_MONOTONIC here
  unsigned users_ = 0;
  Nanoseconds initialised_at_ = 0;
  std::optional<std::pair<pid_t, pid_t>> job_ = {};  // as a test says
  std::optional<std::int64_t> job_of_environment_ = {};
  pid_t job_child_ = 0;                                   // that was found
  int job_child_file_ = -1;                               // its pidfd
  Nanoseconds job_child_asked_ = 0;                       // CLOCK_MONOTONIC
  std::map<std::vector<std::size_t>, pid_t> found_ = {};  // descendants of the job, by their path
  CallCounts counts_;
};

State& state();

// Handles hold their meaning: which load of the driver, which GPU, which instance.
nvml::Device handle_of(std::uint32_t generation, std::uint32_t gpu, std::optional<std::size_t> instance = {});

template <class Lambda>
nvml::Return on_device(nvml::Device device, std::string_view call, const Lambda& answer) {
  return state().on_device(device, call, answer);
}

// A MIG instance does not have it.
template <class Lambda>
nvml::Return on_gpu(nvml::Device device, std::string_view call, const Lambda& answer) {
  return state().on_device(
      device, call, [&](Subject& subject) { return subject.instance ? nvml::Return::not_supported : answer(subject); });
}

nvml::Return copy_text(std::string_view text, char* into, std::uint32_t size);

}  // namespace everywatt::lab
