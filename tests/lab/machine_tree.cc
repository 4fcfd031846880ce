#include "tests/lab/machine_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "base/text.h"

namespace everywatt::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBootId = "5d1f3c9e-8a42-4a0b-9c57-61e0c2f7b3aa";
constexpr double kTicksPerSecond = 100;  // USER_HZ
constexpr std::size_t kWidth = 20;       // a shorter number must cover a longer one

Result<void> write(const fs::path& path, std::string_view text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  return write_text(path, text);
}

Result<Fd> open_for_writing(const fs::path& path) {
  Fd file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
  if (!file) return fail_errno(errno, "open " + path.string());
  return file;
}

Result<void> overwrite(const Fd& file, std::string_view text) {
  if (::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return fail_errno(errno, "write a file of the machine");
  return {};
}

std::string padded(std::uint64_t value) {
  std::string text = std::to_string(value);
  text.resize(std::max(kWidth, text.size() + 1), '\n');
  return text;
}

}  // namespace

MachineTree::MachineTree(const Scenario& scenario, fs::path root)
    : packages_{scenario.packages},
      has_zones_{!scenario.packages.empty()},
      processor_{scenario.processor},
      root_{std::move(root)} {
  // A machine without meters has a processor all the same.
  if (packages_.empty()) packages_.push_back(Package{.cpus = 4});
}

Result<MachineTree> MachineTree::compose(const Scenario& scenario, const fs::path& root) {
  MachineTree tree{scenario, root};
  CHECK(tree.write_topology());
  CHECK(tree.write_proc());
  TRY(tree.stat_, open_for_writing(root / "proc/stat"));
  for (std::size_t i = 0; tree.has_zones_ && i < tree.packages_.size(); ++i) {
    const Package& package = tree.packages_[i];
    const std::string zone = fmt::format("intel-rapl:{}", i);
    CHECK(tree.add_zone(zone, fmt::format("package-{}", i), package.power, package.counter, package.limit));
    if (package.dram) CHECK(tree.add_zone(zone + ":0", "dram", *package.dram, package.dram_counter, std::nullopt));
  }
  CHECK(tree.show(0));
  return tree;
}

Result<void> MachineTree::add_zone(const std::string& directory, const std::string& name, const PowerShape& power,
                                   const CounterSensor& sensor, std::optional<Power> limit) {
  const fs::path zone = root_ / "sys/class/powercap" / directory;
  CHECK(write(zone / "name", name + "\n"));
  CHECK(write(zone / "enabled", "1\n"));
  CHECK(write(zone / "max_energy_range_uj", fmt::format("{}\n", sensor.range - 1)));
  CHECK(write(zone / "energy_uj", padded(sensor.start)));
  if (limit) {
    CHECK(write(zone / "constraint_0_name", "long_term\n"));
    CHECK(write(zone / "constraint_0_max_power_uw", fmt::format("{:.0f}\n", *limit / (1e-6 * watt))));
  }
  TRY(Fd file, open_for_writing(zone / "energy_uj"));
  zones_.push_back({std::move(file), Counter{sensor, power}});
  return {};
}

Result<void> MachineTree::write_topology() const {
  const fs::path root = root_ / "sys/devices/system/cpu";
  unsigned first = 0;
  for (std::size_t number = 0; number < packages_.size(); ++number) {
    std::vector<unsigned> cpus;
    for (unsigned cpu = first; cpu < first + packages_[number].cpus; ++cpu) cpus.push_back(cpu);
    for (const unsigned cpu : cpus) {
      const fs::path topology = root / fmt::format("cpu{}/topology", cpu);
      CHECK(write(topology / "physical_package_id", fmt::format("{}\n", number)));
      CHECK(write(topology / "die_id", "0\n"));
      CHECK(write(topology / "die_cpus_list", format_cpu_list(cpus) + "\n"));
    }
    first += packages_[number].cpus;
  }
  return write(root / "online", fmt::format("0-{}\n", first - 1));
}

Result<void> MachineTree::write_proc() const {
  const fs::path proc = root_ / "proc";
  std::string cpuinfo;
  unsigned cpu = 0;
  for (const Package& package : packages_) {
    for (unsigned i = 0; i < package.cpus; ++i)
      cpuinfo +=
          fmt::format("processor\t: {}\nvendor_id\t: {}\nmodel name\t: {}\nflags\t\t: fpu vme de pse tsc msr\n\n",
                      cpu++, processor_.find("AMD") == processor_.npos ? "GenuineIntel" : "AuthenticAMD", processor_);
  }
  CHECK(write(proc / "cpuinfo", cpuinfo));
  CHECK(write(proc / "meminfo", "MemTotal:       263849276 kB\nMemFree:        201326592 kB\n"));
  CHECK(write(proc / "sys/kernel/random/boot_id", fmt::format("{}\n", kBootId)));
  CHECK(write(proc / "sys/kernel/hostname", "lab\n"));
  return write(proc / "stat", stat_of(ticks_at(0)));
}

// As the kernel counts it: in ticks of 10 ms.
std::vector<MachineTree::Ticks> MachineTree::ticks_at(Nanoseconds time) const {
  constexpr std::uint64_t kBusyBefore = 100'000;
  constexpr std::uint64_t kIdleBefore = 900'000;
  std::vector<Ticks> ticks;
  ticks.reserve(packages_.size());
  for (const Package& package : packages_) {
    const double worked = package.utilisation.integral(0, time) * kTicksPerSecond;
    const double whole = static_cast<double>(time) * 1e-9 * kTicksPerSecond;
    ticks.push_back({.busy = kBusyBefore + static_cast<std::uint64_t>(std::max(0.0, worked)),
                     .idle = kIdleBefore + static_cast<std::uint64_t>(std::max(0.0, whole - worked))});
  }
  return ticks;
}

// Each CPU's, and the sum of all in front.
std::string MachineTree::stat_of(const std::vector<Ticks>& ticks) const {
  std::string lines;
  Ticks all;
  unsigned cpu = 0;
  for (std::size_t package = 0; package < packages_.size(); ++package) {
    const auto [busy, idle] = ticks[package];
    const unsigned cpus = packages_[package].cpus;
    for (unsigned i = 0; i < cpus; ++i) lines += fmt::format("cpu{} {} 0 0 {} 0 0 0 0 0 0\n", cpu++, busy, idle);
    all.busy += cpus * busy;
    all.idle += cpus * idle;
  }
  return fmt::format("cpu  {} 0 0 {} 0 0 0 0 0 0\n{}", all.busy, all.idle, lines);
}

// What shows the same is not written again: who is measured on this machine shares its processors with us.
Result<void> MachineTree::show(Nanoseconds time) {
  for (Zone& zone : zones_) CHECK(overwrite(zone.file, padded(zone.counter.shows(time))));
  std::vector<Ticks> ticks = ticks_at(time);
  if (ticks == shown_) return {};
  shown_ = std::move(ticks);
  return overwrite(stat_, stat_of(shown_));
}

void MachineTree::forget_presence() const {
  const std::string key = fmt::format("{}|{}|{}", kBootId, (root_ / "sys").string(), (root_ / "proc").string());
  std::uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a, as src/meter/presence.cc names its folder
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::error_code error;
  fs::remove_all(fmt::format("/dev/shm/everywatt-{:016x}", hash), error);
}

}  // namespace everywatt::lab
