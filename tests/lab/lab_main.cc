// everywatt-lab [--truth FILE] [--keep] SCENARIO -- COMMAND…
// everywatt-lab --between FROM TO SCENARIO
//
// Runs a command on a machine that is not there: /sys, /proc and NVIDIA's library
// are those of a scenario (docs/formats/lab.md). The command's exit status is
// ours; what the devices truly used goes into the truth file. Between two times, in
// seconds of the scenario, that needs no command and is printed.
#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <span>
#include <thread>

#include "base/text.h"
#include "tests/lab/machine_tree.h"
#include "tests/lab/symbols.h"
#include "tests/lab/truth.h"

namespace everywatt::lab {
namespace {

namespace fs = std::filesystem;

constexpr int kMisuse = 2;
constexpr std::chrono::milliseconds kStep{4};
constexpr const char* kUsage =
    "usage: everywatt-lab [--truth FILE] [--keep] SCENARIO -- COMMAND…\n"
    "       everywatt-lab --between FROM_S TO_S SCENARIO\n";

struct Arguments {
  std::optional<fs::path> truth = {};
  bool keep = false;
  std::optional<Interval> between = {};  // no command then
  fs::path scenario = {};
  std::vector<char*> command = {};  // ends with a null pointer, as execvp wants it
};

std::optional<Interval> parse_between(const char* from_s, const char* to_s) {
  const auto from = parse_double(from_s);
  const auto to = parse_double(to_s);
  if (!from || !to || !(*from <= *to)) return std::nullopt;
  return Interval{std::llround(*from * 1e9), std::llround(*to * 1e9)};
}

std::optional<Arguments> parse(std::span<char*> words) {
  Arguments arguments;
  std::size_t i = 1;
  for (; i < words.size() && std::string_view{words[i]} != "--"; ++i) {
    const std::string_view word = words[i];
    if (word == "--keep") {
      arguments.keep = true;
    } else if (word == "--truth" && i + 1 < words.size()) {
      arguments.truth = words[++i];
    } else if (word == "--between" && i + 2 < words.size()) {
      arguments.between = parse_between(words[i + 1], words[i + 2]);
      if (!arguments.between) return std::nullopt;
      i += 2;
    } else if (!word.starts_with("-") && arguments.scenario.empty()) {
      arguments.scenario = word;
    } else {
      return std::nullopt;
    }
  }
  if (arguments.between) {
    const bool is_whole = !arguments.truth && !arguments.scenario.empty() && i == words.size();
    return is_whole ? std::optional{std::move(arguments)} : std::nullopt;
  }
  if (arguments.scenario.empty() || i + 1 >= words.size()) return std::nullopt;
  arguments.command.assign(words.begin() + static_cast<std::ptrdiff_t>(i) + 1, words.end());
  arguments.command.push_back(nullptr);
  return arguments;
}

// Beside us: in the build folder, or where it is installed.
Result<fs::path> find_standin() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* place : {"../lab", "../libexec/everywatt/lab"}) {
    fs::path library = (here / place / "libnvidia-ml.so.1").lexically_normal();
    if (fs::exists(library, error)) return library;
  }
  return fail(Errc::absent, "no lab/libnvidia-ml.so.1 beside " + here.string() + ": build the target nvml_standin");
}

// The library as this scenario has it.
Result<fs::path> library_of(const Scenario& scenario, const fs::path& root) {
  TRY(fs::path whole, find_standin());
  const auto missing = scenario.missing();
  if (scenario.library == Scenario::Library::there && missing.empty()) return whole;
  fs::path library = root / "lab/libnvidia-ml.so.1";
  std::error_code error;
  fs::create_directories(library.parent_path(), error);
  if (scenario.library == Scenario::Library::absent) return library;
  const bool is_foreign = scenario.library == Scenario::Library::foreign;
  CHECK(copy_without(
      whole,
      [&](std::string_view symbol) {
        return is_foreign ? symbol.starts_with("nvml") : std::ranges::find(missing, symbol) != missing.end();
      },
      library));
  return library;
}

void set_environment(const Arguments& arguments, const fs::path& root, const fs::path& library, Nanoseconds start) {
  const auto set = [](const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); };
  const char* libraries = std::getenv("LD_LIBRARY_PATH");
  set("EVERYWATT_SYSFS", (root / "sys").string());
  set("EVERYWATT_PROCFS", (root / "proc").string());
  set("EVERYWATT_NVML_LIBRARY", library.string());
  set("LD_LIBRARY_PATH",
      library.parent_path().string() + (libraries && *libraries ? ":" + std::string{libraries} : ""));
  set("EVERYWATT_LAB_SCENARIO", fs::absolute(arguments.scenario).string());
  set("EVERYWATT_LAB_START", std::to_string(start));
}

// A terminal's signals reach the command by themselves; others are passed on.
pid_t child_to_signal = 0;
void pass_on(int signal) {
  if (child_to_signal > 0) ::kill(child_to_signal, signal);
}

pid_t start_command(const Arguments& arguments) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::setenv("EVERYWATT_LAB_JOB", std::to_string(::getpid()).c_str(), 1);
  ::execvp(arguments.command.front(), arguments.command.data());
  const int error = errno;
  std::fprintf(stderr, "everywatt-lab: %s\n", fail_errno(error, arguments.command.front()).error().what.c_str());
  ::_exit(error == ENOENT ? 127 : 126);
}

int wait_for(pid_t child) {
  child_to_signal = child;
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  struct sigaction forward{};
  forward.sa_handler = pass_on;
  for (const int signal : {SIGINT, SIGQUIT}) ::sigaction(signal, &ignore, nullptr);
  for (const int signal : {SIGTERM, SIGHUP}) ::sigaction(signal, &forward, nullptr);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  child_to_signal = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The command may keep all CPUs busy: the machine moves all the same.
void move(MachineTree& tree, Nanoseconds start, const std::atomic<bool>& is_over) {
  sched_param priority{.sched_priority = 1};
  (void)::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &priority);
  RealClock clock;
  while (!is_over) {
    if (const auto shown = tree.show(clock.now().steady - start); !shown) {
      std::fprintf(stderr, "everywatt-lab: the machine stands: %s\n", shown.error().what.c_str());
      return;
    }
    std::this_thread::sleep_for(kStep);
  }
}

nlohmann::ordered_json json_of(const Instant& instant) {
  return {{"monotonic_ns", instant.steady}, {"wall_ns", instant.wall}};
}

nlohmann::ordered_json json_of(const AccountsTruth::Part& part) {
  return {{"idle_joules", part.idle / joule}, {"active_joules", part.active / joule}};
}

nlohmann::ordered_json json_of(const DeviceTruth& device) {
  nlohmann::ordered_json entry = {
      {"joules", device.total / joule}, {"idle_joules", device.idle / joule}, {"busy_joules", device.busy / joule}};
  for (const auto& [process, energy] : device.processes) entry["processes"][process] = energy / joule;
  if (!device.accounts) return entry;
  auto& accounts = entry["accounts"] = json_of(device.accounts->whole);
  for (const auto& [process, part] : device.accounts->processes) accounts["processes"][process] = json_of(part);
  return entry;
}

std::string truth_text(const Arguments& arguments, const Scenario& scenario, const nlohmann::ordered_json& from,
                       const nlohmann::ordered_json& to, const Interval& between) {
  nlohmann::ordered_json devices = nlohmann::ordered_json::object();
  for (const DeviceTruth& device : truth_of(scenario, between.from, between.to)) devices[device.id] = json_of(device);
  const nlohmann::ordered_json truth = {{"schema", "everywatt.lab-truth/1"},
                                        {"scenario", arguments.scenario.string()},
                                        {"start", from},
                                        {"end", to},
                                        {"devices", std::move(devices)}};
  return truth.dump(2) + "\n";
}

Result<int> run_on(const Arguments& arguments, const Scenario& scenario, const fs::path& root) {
  TRY(const fs::path library, library_of(scenario, root));
  TRY(MachineTree tree, MachineTree::compose(scenario, root));
  RealClock clock;
  const Instant start = clock.now();
  set_environment(arguments, root, library, start.steady);
  const pid_t child = start_command(arguments);  // before there is a second thread
  if (child < 0) return fail_errno(errno, "start a process");
  std::atomic<bool> is_over = false;
  std::thread mover{[&] { move(tree, start.steady, is_over); }};
  const int status = wait_for(child);
  const Instant end = clock.now();
  is_over = true;
  mover.join();
  tree.forget_presence();
  if (!arguments.truth) return status;
  const Interval life{0, end.steady - start.steady};
  CHECK(write_text(*arguments.truth, truth_text(arguments, scenario, json_of(start), json_of(end), life)));
  return status;
}

// In memory, as a machine's own /sys and /proc are: on a disk each reading would write down when it was read. Its
// library must be let run there.
fs::path place_of_machines() {
  const fs::path memory = "/dev/shm";
  struct statvfs info{};
  const bool is_usable = ::statvfs(memory.c_str(), &info) == 0 && (info.f_flag & ST_NOEXEC) == 0 &&
                         ::access(memory.c_str(), W_OK | X_OK) == 0;
  return is_usable && !std::getenv("TMPDIR") ? memory : fs::temp_directory_path();
}

Result<int> run(const Arguments& arguments) {
  TRY(const Scenario scenario, read_scenario(arguments.scenario));
  if (const auto between = arguments.between) {
    const auto seconds = [](Nanoseconds at) {
      return nlohmann::ordered_json::object({{"seconds", static_cast<double>(at) * 1e-9}});
    };
    const auto text = truth_text(arguments, scenario, seconds(between->from), seconds(between->to), *between);
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  std::string name = (place_of_machines() / "everywatt-lab-XXXXXX").string();
  if (!::mkdtemp(name.data())) return fail_errno(errno, "make the folder " + name);
  auto status = run_on(arguments, scenario, name);
  std::error_code error;
  if (!arguments.keep) fs::remove_all(name, error);
  if (arguments.keep) std::fprintf(stderr, "everywatt-lab: the machine is in %s\n", name.c_str());
  return status;
}

}  // namespace
}  // namespace everywatt::lab

int main(int argc, char** argv) {
  using namespace everywatt::lab;
  const auto arguments = parse({argv, static_cast<std::size_t>(argc)});
  if (!arguments) {
    std::fputs(kUsage, stderr);
    return kMisuse;
  }
  const auto status = run(*arguments);
  if (status) return *status;
  std::fprintf(stderr, "everywatt-lab: %s\n", status.error().what.c_str());
  return kMisuse;
}
