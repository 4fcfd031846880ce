#include "tests/lab/standin.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/text.h"
#include "tests/lab/drivers.h"
#include "tests/lab/truth.h"

namespace everywatt::lab {
namespace {

using nvml::Return;

// Any pattern that is no address: handles of a process are never followed.
constexpr std::uintptr_t kHandles = 0x1ab'0000'0000;

struct Meaning {
  std::uint32_t generation;
  std::uint32_t gpu;
  std::optional<std::size_t> instance;
};

std::optional<Meaning> meaning_of(nvml::Device device) {
  const auto bits = reinterpret_cast<std::uintptr_t>(device) - kHandles;
  if (bits >> 32 != 0) return std::nullopt;
  const std::uintptr_t instance = bits & 0xff;
  return Meaning{.generation = static_cast<std::uint32_t>(bits >> 20),
                 .gpu = static_cast<std::uint32_t>(bits >> 8 & 0xfff),
                 .instance = instance > 0 ? std::optional{instance - 1} : std::nullopt};
}

Nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

// INT64_MAX: for ever.
void sleep_for(Nanoseconds length) {
  timespec left{.tv_sec = length / kSecond, .tv_nsec = length % kSecond};
  while (::nanosleep(&left, &left) != 0) {
  }
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::vector<Nanoseconds> reloads_of(const Scenario& scenario) {
  std::vector<Nanoseconds> reloads;
  for (const Defect& defect : scenario.defects) {
    if (defect.kind == Defect::Kind::reloads) reloads.push_back(defect.life.to);
  }
  return reloads;
}

std::optional<Counter> counter_of(const std::optional<CounterSensor>& sensor, const PowerShape& power,
                                  const std::vector<Nanoseconds>& reloads) {
  if (!sensor) return std::nullopt;
  CounterSensor with_reloads = *sensor;
  std::ranges::copy(reloads, std::back_inserter(with_reloads.resets));
  std::ranges::sort(with_reloads.resets);
  return Counter{std::move(with_reloads), power};
}

bool concerns(const Defect& defect, std::string_view call, std::uint32_t gpu, Nanoseconds time) {
  if (defect.gpu && *defect.gpu != gpu) return false;
  if (!defect.life.contains(time)) return false;
  // A defect of every call need not be told of each field or metric again.
  if (defect.calls.empty()) return !call.starts_with("field ") && !call.starts_with("metric ");
  return std::ranges::find(defect.calls, call) != defect.calls.end();
}

bool is_alive(pid_t pid) { return pid > 0 && (::kill(pid, 0) == 0 || errno == EPERM); }

// Counted from 1, in the order in which they began; 0: it has not so many.
pid_t child_of(pid_t pid, std::size_t number) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  pid_t child = 0;
  for (std::size_t i = 0; i < number; ++i) {
    if (!(file >> child)) return 0;
  }
  return child;
}

pid_t descendant_of(pid_t pid, const std::vector<std::size_t>& path) {
  for (const std::size_t number : path) {
    if (pid > 0) pid = child_of(pid, number);
  }
  return pid;
}

}  // namespace

GpuState::GpuState(const Gpu& from, const std::vector<Nanoseconds>& reloads)
    : spec{from},
      power{from.true_power()},
      counter{counter_of(from.meters.counter, power, reloads)},
      module_counter{from.module ? counter_of(from.module->counter, from.module->power, reloads) : std::nullopt},
      memory_counter{from.memory ? counter_of(from.memory->counter, from.memory->power, reloads) : std::nullopt} {}

Node::Node(Scenario from)
    : scenario{std::move(from)},
      lists_wide_processes{has_wide_processes(scenario.driver)},
      reloads{reloads_of(scenario)} {
  for (const Gpu& gpu : scenario.gpus) gpus.push_back(std::make_unique<GpuState>(gpu, reloads));
}

State& state() {
  static State* const kState = new State;  // never destroyed: a thread may hang in a call while the process ends
  return *kState;
}

nvml::Device handle_of(std::uint32_t generation, std::uint32_t gpu, std::optional<std::size_t> instance) {
  const std::uintptr_t bits =
      std::uintptr_t{generation} << 20 | std::uintptr_t{gpu} << 8 | (instance ? *instance + 1 : 0);
  return reinterpret_cast<nvml::Device>(kHandles + bits);  // NOLINT: opaque by contract
}

State::State() : counts_{environment("EVERYWATT_LAB_COUNT")} {}

void State::count(std::span<const nvml::FieldValue> fields) {
  const std::lock_guard lock{mutex_};
  for (const nvml::FieldValue& field : fields) counts_.add_field(static_cast<std::uint32_t>(field.field));
}

void State::load_locked(std::string_view text_or_path) {
  is_loaded_ = true;
  users_ = 0;
  start_.reset();
  if (virtual_) start_ = virtual_->time;
  const bool is_text = text_or_path.find('\n') != text_or_path.npos;
  auto scenario = is_text ? parse_scenario(text_or_path) : read_scenario(std::filesystem::path{text_or_path});
  if (!scenario) std::fprintf(stderr, "everywatt-lab: %s\n", scenario.error().what.c_str());
  node_ = scenario ? std::make_shared<Node>(*std::move(scenario)) : nullptr;
}

void State::load(std::string_view text_or_path) {
  const std::lock_guard lock{mutex_};
  load_locked(text_or_path);
}

void State::set_time(Nanoseconds steady, Nanoseconds wall) {
  const std::lock_guard lock{mutex_};
  virtual_ = {.time = steady, .wall = wall};
  if (!start_) start_ = steady;
}

void State::set_job(pid_t job, pid_t job_child) {
  const std::lock_guard lock{mutex_};
  job_ = {job, job_child};
}

// The scenario, read when it is first asked for.
std::shared_ptr<Node> State::node_locked() {
  if (!is_loaded_) {
    const std::string path = environment("EVERYWATT_LAB_SCENARIO");
    if (path.empty()) {
      std::fprintf(stderr, "everywatt-lab: EVERYWATT_LAB_SCENARIO names no scenario\n");
      is_loaded_ = true;
    } else {
      load_locked(path);
    }
  }
  return node_;
}

Moment State::now_locked() {
  Moment now = virtual_.value_or(Moment{});
  if (!virtual_) now = {.time = read_clock(CLOCK_MONOTONIC), .wall = read_clock(CLOCK_REALTIME)};
  if (!start_) start_ = parse_i64(environment("EVERYWATT_LAB_START")).value_or(now.time);
  now.time -= *start_;
  return now;
}

// A driver that goes takes all who used it with it.
bool State::is_ready_locked(const Node& node, Nanoseconds time) const {
  return users_ > 0 && std::ranges::none_of(node.scenario.defects, [&](const Defect& defect) {
           return defect.kind == Defect::Kind::reloads && initialised_at_ < defect.life.from &&
                  defect.life.from <= time;
         });
}

std::uint32_t State::generation_locked(const Node& node) const {
  return static_cast<std::uint32_t>(
      std::ranges::count_if(node.reloads, [&](Nanoseconds at) { return at <= initialised_at_; }));
}

double State::true_joules(int gpu, Nanoseconds from, Nanoseconds to) {
  const std::lock_guard lock{mutex_};
  const auto node = node_locked();
  if (!node || gpu < 0 || static_cast<std::size_t>(gpu) >= node->gpus.size()) return std::nan("");
  (void)now_locked();  // the start is known from here on
  return node->gpus[static_cast<std::size_t>(gpu)]->power.energy(from - *start_, to - *start_) / joule;
}

double State::true_idle_joules(int gpu, Nanoseconds from, Nanoseconds to) {
  const std::lock_guard lock{mutex_};
  const auto node = node_locked();
  if (!node || gpu < 0 || static_cast<std::size_t>(gpu) >= node->gpus.size()) return std::nan("");
  (void)now_locked();
  const Gpu& what = node->scenario.gpus[static_cast<std::size_t>(gpu)];
  return accounts_of(what, from - *start_, to - *start_).whole.idle / joule;
}

Return State::init() {
  std::unique_lock lock{mutex_};
  const auto node = node_locked();
  if (!node) return Return::unknown;
  Moment now = now_locked();
  const Nanoseconds length = is_ready_locked(*node, now.time) ? 0 : node->scenario.init_length;
  if (length == INT64_MAX && virtual_) return Return::timeout;
  if (length > 0 && !virtual_) {
    lock.unlock();
    sleep_for(length);
    lock.lock();
    now = now_locked();
  }
  if (node->scenario.init_status != Return::success) return node->scenario.init_status;
  for (const Defect& defect : node->scenario.defects) {
    if (defect.kind == Defect::Kind::reloads && defect.life.contains(now.time)) return Return::driver_not_loaded;
  }
  if (!is_ready_locked(*node, now.time)) {
    users_ = 0;
    initialised_at_ = now.time;
  }
  ++users_;
  return Return::success;
}

Return State::shutdown() {
  const std::lock_guard lock{mutex_};
  if (users_ == 0) return Return::uninitialized;
  --users_;
  return Return::success;
}

Return State::on_library(std::string_view call, Answer<Node&, std::uint32_t> answer) {
  std::unique_lock lock{mutex_};
  counts_.add(call);
  const auto node = node_locked();
  if (!node) return Return::uninitialized;
  const Moment now = now_locked();
  if (!is_ready_locked(*node, now.time)) return Return::uninitialized;
  const std::uint32_t generation = generation_locked(*node);
  lock.unlock();
  for (const Defect& defect : node->scenario.defects) {
    // What befalls every call about a GPU is not about these.
    if (defect.calls.empty() || !concerns(defect, call, 0, now.time)) continue;
    if (defect.kind == Defect::Kind::answers) return defect.status;
    if (defect.kind == Defect::Kind::missing) return Return::function_not_found;
  }
  return answer(*node, generation);
}

Return State::befalls(const Node& node, std::string_view call, std::uint32_t gpu, Moment& now) {
  for (const Defect& defect : node.scenario.defects) {
    if (!concerns(defect, call, gpu, now.time)) continue;
    if (defect.kind == Defect::Kind::missing) return Return::function_not_found;
    if (defect.kind == Defect::Kind::answers) return defect.status;
    if (defect.kind != Defect::Kind::hangs) continue;
    std::unique_lock lock{mutex_};
    if (virtual_) return Return::timeout;
    lock.unlock();
    sleep_for(defect.length);
    lock.lock();
    now = now_locked();
  }
  return Return::success;
}

Return State::on_device(nvml::Device device, std::string_view call, Answer<Subject&> answer) {
  std::unique_lock lock{mutex_};
  if (!call.starts_with("nvmlDeviceGetHandle")) counts_.add(call);  // those came by on_library
  const auto node = node_locked();
  if (!node) return Return::uninitialized;
  Moment now = now_locked();
  if (!is_ready_locked(*node, now.time)) return Return::uninitialized;
  const auto meaning = meaning_of(device);
  if (!meaning || meaning->gpu >= node->gpus.size() || meaning->generation != generation_locked(*node))
    return Return::invalid_argument;
  GpuState& gpu = *node->gpus[meaning->gpu];
  if (meaning->instance && *meaning->instance >= gpu.spec.instances.size()) return Return::invalid_argument;
  lock.unlock();

  const std::lock_guard one_at_a_time{gpu.mutex};
  if (const Return status = befalls(*node, call, meaning->gpu, now); status != Return::success) return status;
  Subject subject{.node = *node,
                  .state = gpu,
                  .index = meaning->gpu,
                  .spec = gpu.spec,
                  .instance = meaning->instance ? &gpu.spec.instances[*meaning->instance] : nullptr,
                  .generation = meaning->generation,
                  .now = now};
  return answer(subject);
}

// The kernel's list of children costs as much as a hundred calls: it is read again when the child that was found has
// ended. Who reads all GPUs of a node asks for each of them within a moment, and is answered once.
pid_t State::job_child_locked(pid_t job) {
  constexpr Nanoseconds kMoment = kMillisecond;
  const Nanoseconds now = read_clock(CLOCK_MONOTONIC);
  if (now - job_child_asked_ < kMoment) return job_child_;
  job_child_asked_ = now;
  pollfd ended{.fd = job_child_file_, .events = POLLIN, .revents = 0};
  if (job_child_file_ >= 0 && ::poll(&ended, 1, 0) == 0) return job_child_;
  const pid_t child = is_alive(job) ? child_of(job, 1) : 0;
  // One that has ended stays on the list until its parent has asked for its status.
  if (child == std::exchange(job_child_, child)) return child;
  if (job_child_file_ >= 0) ::close(job_child_file_);
  job_child_file_ = child > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, child, 0)) : -1;
  return child;
}

pid_t State::resolve(const Pid& pid) {
  if (pid.kind == Pid::Kind::number) return static_cast<pid_t>(pid.number);
  std::unique_lock lock{mutex_};
  if (job_ && pid.kind == Pid::Kind::job_child) return job_->second;
  if (job_ && pid.kind == Pid::Kind::job) return job_->first;
  if (!job_of_environment_) job_of_environment_ = parse_i64(environment("EVERYWATT_LAB_JOB")).value_or(0);
  const pid_t job = job_ ? job_->first : static_cast<pid_t>(*job_of_environment_);
  if (pid.kind == Pid::Kind::job) return is_alive(job) ? job : 0;
  if (pid.kind == Pid::Kind::job_child) return job_child_locked(job);
  if (!is_alive(job)) return 0;
  // Once found it is that one: when a brother of it ends the numbers of the younger move.
  pid_t& found = found_[pid.path];
  if (found == 0) found = descendant_of(job, pid.path);
  return is_alive(found) ? found : 0;
}

Return copy_text(std::string_view text, char* into, std::uint32_t size) {
  if (!into) return Return::invalid_argument;
  if (text.size() + 1 > size) return Return::insufficient_size;
  std::memcpy(into, text.data(), text.size());
  into[text.size()] = '\0';
  return Return::success;
}

}  // namespace everywatt::lab
