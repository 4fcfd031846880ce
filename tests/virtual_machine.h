// A machine in virtual time: packages that draw floor + slope × utilisation,
// counters that wrap, a kernel that counts work in ticks of 10 ms. What it
// truly spent is known, so that what a meter books can be held against it.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "meter/meter.h"

namespace everywatt::testing {

struct VirtualPackage {
  unsigned cpus = 4;
  double floor_watts = 20;
  double slope_watts = 60;
  std::uint64_t range = 262'143'328'850;
  // Now.
  double energy_microjoules = 0;  // since the machine began
  std::uint64_t offset = 0;       // what the counter showed then
  double worked_nanoseconds = 0;
  bool vanished = false;

  [[nodiscard]] std::uint64_t counter() const {
    return (offset + static_cast<std::uint64_t>(energy_microjoules)) % (range + 1);
  }
};

class VirtualMachine {
 public:
  explicit VirtualMachine(std::vector<VirtualPackage> packages) : packages_{std::move(packages)} {
    unsigned cpu = 0;
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      Device device{.id = "package:" + std::to_string(i), .kind = DeviceKind::package};
      for (unsigned k = 0; k < packages_[i].cpus; ++k) device.cpus.push_back(cpu++);
      inventory_.devices.push_back(device);
      inventory_.channels.push_back({.device = device.id,
                                     .sensor = "rapl-powercap",
                                     .range = packages_[i].range,
                                     .systematic = 0.03,
                                     .most = 1000.0 * watt});
    }
    for (const Device& device : inventory_.devices) {
      inventory_.channels.push_back({.device = device.id, .kind = ChannelKind::busy_time, .sensor = "proc-stat"});
    }
  }

  [[nodiscard]] const Inventory& inventory() const { return inventory_; }
  [[nodiscard]] std::vector<VirtualPackage>& packages() { return packages_; }
  [[nodiscard]] std::size_t package_count() const { return packages_.size(); }
  [[nodiscard]] Nanoseconds now() const { return now_; }
  [[nodiscard]] Instant instant() const { return {now_, now_ + 1'700'000'000 * kSecond}; }
  [[nodiscard]] unsigned cpus() const {
    unsigned sum = 0;
    for (const auto& package : packages_) sum += package.cpus;
    return sum;
  }

  // `load`: CPUs' worth of work, spread over the packages by their CPUs.
  void advance(Nanoseconds by, double load) {
    const double utilisation = std::clamp(load / cpus(), 0.0, 1.0);
    const double seconds = static_cast<double>(by) / 1e9;
    for (VirtualPackage& package : packages_) {
      package.energy_microjoules += (package.floor_watts + package.slope_watts * utilisation) * seconds * 1e6;
      package.worked_nanoseconds += utilisation * package.cpus * static_cast<double>(by);
    }
    now_ += by;
  }

  // What the sensors say now.
  [[nodiscard]] std::vector<Reading> read() const {
    std::vector<Reading> readings;
    for (std::uint32_t i = 0; i < packages_.size(); ++i) {
      if (!packages_[i].vanished) readings.push_back({.channel = i, .raw = packages_[i].counter()});
    }
    for (std::uint32_t i = 0; i < packages_.size(); ++i) {
      constexpr double kKernelTick = 10e6;
      const double ticks = std::floor(packages_[i].worked_nanoseconds / kKernelTick);
      readings.push_back({.channel = static_cast<std::uint32_t>(packages_.size()) + i,
                          .raw = static_cast<std::uint64_t>(ticks * kKernelTick)});
    }
    return readings;
  }

  [[nodiscard]] double true_microjoules() const {
    double sum = 0;
    for (const auto& package : packages_) sum += package.energy_microjoules;
    return sum;
  }

 private:
  std::vector<VirtualPackage> packages_;
  Inventory inventory_;
  Nanoseconds now_ = 1000 * kSecond;
};

// One run with a meter of its own, as a process of its own would have.
class VirtualRun {
 public:
  VirtualRun(std::string id, const VirtualMachine& machine, std::map<std::string, Floor> floors = {})
      : id_{std::move(id)}, meter_{inventories_of(machine), {.run = id_, .floors = std::move(floors)}} {}

  void begin(const VirtualMachine& machine, std::string parent = {}, FloorBoard* board = nullptr,
             std::span<const Tenant> tenants = {}) {
    sample(machine, At::edge);
    meter_.begin(machine.instant());
    tenant_ = {.run = id_,
               .parent = std::move(parent),
               .reservation = reservation,
               .from = machine.now(),
               .readings = meter_.work_readings()};
    began_ = true;
    propose(machine, tenants, board);
  }
  void work(double cpu_nanoseconds) { cpu_nanoseconds_ += cpu_nanoseconds; }
  // The kernel's account of work is read at the edges of windows, and at every tick in company.
  enum class At { tick, edge };
  [[nodiscard]] bool in_company() const { return in_company_; }
  void sample(const VirtualMachine& machine, At at = At::edge) {
    auto readings = machine.read();
    if (at == At::tick) std::erase_if(readings, [&](const Reading& r) { return r.channel >= machine.package_count(); });
    meter_.take(0, {machine.now(), machine.now()}, readings);
    if (began_) meter_.note_cpu_time(machine.now(), static_cast<Nanoseconds>(cpu_nanoseconds_));
  }
  void close(const VirtualMachine& machine, std::span<const Tenant> tenants, FloorBoard* board = nullptr) {
    in_company_ = tenants.size() > 1;
    propose(machine, tenants, board);
    keep(meter_.close_window(context(machine, tenants, board)));
  }
  void finish(const VirtualMachine& machine, std::span<const Tenant> tenants, FloorBoard* board = nullptr) {
    propose(machine, tenants, board);
    keep(meter_.finish(context(machine, tenants, board)));
    tenant_.to = machine.now();
    std::ranges::copy(meter_.work_readings(), std::back_inserter(tenant_.readings));
  }

  [[nodiscard]] const Tenant& tenant() const { return tenant_; }
  [[nodiscard]] Meter& meter() { return meter_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
  [[nodiscard]] const std::map<std::string, Tracks>& series() const { return series_; }
  [[nodiscard]] Accounts accounts(const std::string& device = {}) const {
    Accounts sum;
    for (const Entry& entry : entries_) {
      if (!device.empty() && entry.device != device) continue;
      switch (entry.account) {
        case Account::busy:
          sum.busy += entry.energy;
          break;
        case Account::idle:
          sum.idle += entry.energy;
          break;
        case Account::other:
          sum.other += entry.energy;
          break;
        case Account::unattributed:
          sum.unattributed += entry.energy;
          break;
      }
    }
    return sum;
  }

  Reservation reservation = {};

 private:
  static std::vector<const Inventory*> inventories_of(const VirtualMachine& machine) { return {&machine.inventory()}; }
  // As the program does, with the same time for the others to hear of it.
  void propose(const VirtualMachine& machine, std::span<const Tenant> tenants, FloorBoard* board) {
    if (!board) return;
    const auto company = company_of(id_, tenants, 0, machine.now());
    for (const auto& [device, floor] : meter_.floors()) board->propose(device, floor, machine.now(), company);
  }
  WindowContext context(const VirtualMachine& machine, std::span<const Tenant> tenants, const FloorBoard* board) const {
    return {.until = machine.instant(),
            .cpu_time = static_cast<Nanoseconds>(cpu_nanoseconds_),
            .tenants = tenants,
            .agreed = board};
  }
  void keep(const RunDelta& delta) {
    std::ranges::copy(delta.entries, std::back_inserter(entries_));
    std::ranges::copy(delta.gaps, std::back_inserter(gaps_));
    for (const RunDelta::Series& series : delta.series) append(series.points, series_[series.device]);
  }

  std::string id_;
  Meter meter_;
  Tenant tenant_;
  bool began_ = false;
  bool in_company_ = false;
  double cpu_nanoseconds_ = 0;
  std::vector<Entry> entries_;
  std::vector<Gap> gaps_;
  std::map<std::string, Tracks> series_;
};

}  // namespace everywatt::testing
