// RAPL energy counters through /sys/class/powercap (kernel:
// Documentation/power/powercap/powercap.rst). Zones are known by their name,
// never by their index: TPMI and MMIO drivers number differently and repeat
// what the MSR driver has. dram lies in its package's directory and beside the
// package in energy.
#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/text.h"
#include "sources/rapl.h"
#include "sources/sensor_file.h"
#include "sources/source.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

using namespace rapl;

namespace fs = std::filesystem;

constexpr double kHeadroomOverLimit = 3;  // turbo exceeds the long-term limit for some time

constexpr int kRank = 1;  // rapl-perf reads the same register and does not wrap

constexpr std::string_view kRemedy =
    " (since Linux 5.10 only root may read RAPL; `sudo everywatt doctor --fix` opens it to a group)";

// One zone directory.
struct Zone {
  fs::path path;
  std::string directory;  // intel-rapl:0:1
  std::string name;       // dram
  std::string parent;     // the name of the zone above: package-0; empty at the top

  [[nodiscard]] bool is_mmio() const { return directory.starts_with("intel-rapl-mmio"); }
};

// "package-0" and "package-0-die-1".
struct PackageName {
  unsigned number = 0;
  std::optional<unsigned> die = {};
};

std::optional<unsigned> number_of(std::string_view text) {
  const auto value = parse_u64(text);
  if (!value || *value > UINT16_MAX) return std::nullopt;
  return static_cast<unsigned>(*value);
}

std::optional<PackageName> parse_package(std::string_view name) {
  const auto parts = split(name, '-');
  if (parts.size() < 2 || parts[0] != "package") return std::nullopt;
  const auto number = number_of(parts[1]);
  if (!number) return std::nullopt;
  if (parts.size() == 2) return PackageName{*number};
  const auto die = parts.size() == 4 && parts[2] == "die" ? number_of(parts[3]) : std::nullopt;
  if (!die) return std::nullopt;
  return PackageName{*number, die};
}

// "psys", and "psys-1" on a machine with one for each package.
std::optional<unsigned> parse_psys(std::string_view name) {
  if (name == "psys") return 0;
  return name.starts_with("psys-") ? number_of(name.substr(5)) : std::nullopt;
}

// What the tree holds: the zones, and the entries that lead nowhere.
struct Zones {
  std::vector<Zone> found = {};
  std::optional<fs::path> dangling = {};
};

void find_zones(const fs::path& directory, std::map<std::string, Zone>& zones, std::optional<fs::path>& dangling) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{directory, error}) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("intel-rapl") || zones.contains(name)) continue;
    if (!fs::exists(entry.path(), error)) {
      dangling = entry.path();
      continue;
    }
    if (auto zone_name = read_line(entry.path() / "name")) {
      zones[name] = {.path = entry.path(), .directory = name, .name = *std::move(zone_name), .parent = {}};
    }
    find_zones(entry.path(), zones, dangling);
  }
}

// The MSR and TPMI drivers' zones first, MMIO's after them, each in order.
Zones read_zones(const Roots& roots) {
  std::map<std::string, Zone> by_directory;
  Zones zones;
  find_zones(roots.sys / "class/powercap", by_directory, zones.dangling);
  for (auto& [directory, zone] : by_directory) {
    const auto above = by_directory.find(directory.substr(0, directory.rfind(':')));
    if (above != by_directory.end() && above->first != directory) zone.parent = above->second.name;
    zones.found.push_back(zone);
  }
  std::ranges::stable_sort(zones.found, {}, &Zone::is_mmio);
  return zones;
}

class RaplPowercap final : public Source {
 public:
  explicit RaplPowercap(const Roots& roots) : topology_{read_topology(roots)} {
    const Zones zones = read_zones(roots);
    dangling_ = zones.dangling;
    for (const Zone& zone : zones.found) add(zone);
    for (const Refusal& refusal : refusals_) {
      inventory_.notes.push_back(refusal.directory + ": " + refusal.error.what);
    }
  }

  // Why there is nothing to read, if so.
  [[nodiscard]] Result<void> works() const {
    if (!files_.empty()) return {};
    if (dangling_) {
      return fail(Errc::denied, dangling_->string() +
                                    " leads nowhere: a container runtime hides RAPL (mount the "
                                    "host's /sys/devices/virtual/powercap into the container)");
    }
    if (refusals_.empty()) return fail(Errc::absent, "no RAPL zone in /sys/class/powercap");
    const auto denied = std::ranges::find(refusals_, Errc::denied, [](const Refusal& r) { return r.error.code; });
    return std::unexpected{denied == refusals_.end() ? refusals_.front().error : denied->error};
  }

  const Inventory& inventory() const override { return inventory_; }

  Result<void> sample(std::vector<Reading>& out) override {
    std::optional<Error> failure;
    for (std::uint32_t i = 0; i < files_.size(); ++i) {
      auto value = files_[i].read_counter();
      if (value) {
        out.push_back({.channel = i, .raw = *value});
      } else if (!failure) {
        failure = std::move(value).error();
      }
    }
    if (failure) return std::unexpected{*std::move(failure)};
    return {};
  }

 private:
  struct Refusal {
    std::string directory;
    Error error;
  };

  // A zone's device and what is known of its meter.
  struct Meaning {
    Device device;
    double error;
    double most_watts;
  };

  void leave_out(const Zone& zone, std::string why) {
    inventory_.notes.push_back(zone.directory + ": " + std::move(why));
  }

  void add(const Zone& zone) {
    const auto meaning = meaning_of(zone);
    if (!meaning) return;
    for (std::size_t i = 0; i < inventory_.channels.size(); ++i) {
      if (inventory_.channels[i].device != meaning->device.id) continue;
      return leave_out(zone, "repeats " + meaning->device.id + ", which " + directories_[i] + " counts");
    }
    auto file = SensorFile::open(zone.path / "energy_uj");
    if (!file) {
      Error error = std::move(file).error();
      if (error.code == Errc::denied) error.what += kRemedy;
      refusals_.push_back({zone.directory, std::move(error)});
      return;
    }
    add_channel(zone, *meaning);
    files_.push_back(*std::move(file));
    directories_.push_back(zone.directory);
  }

  void add_channel(const Zone& zone, const Meaning& meaning) {
    const auto range = read_u64(zone.path / "max_energy_range_uj");
    const auto limit = read_u64(zone.path / "constraint_0_max_power_uw");
    const double limit_watts = limit ? kHeadroomOverLimit * static_cast<double>(*limit) * 1e-6 : 0;
    inventory_.devices.push_back(meaning.device);
    inventory_.channels.push_back({.device = meaning.device.id,
                                   .kind = ChannelKind::energy,
                                   .method = Method::counter,
                                   .sensor = "rapl-powercap",
                                   .detail = zone.directory + "/energy_uj",
                                   .range = range && *range > 0 ? std::optional{*range} : std::nullopt,
                                   .period = kMillisecond,
                                   .systematic = meaning.error,
                                   .most = std::max(limit_watts, meaning.most_watts) * watt,
                                   .rank = kRank});
  }

  // What a zone measures; a zone of no use leaves a note.
  std::optional<Meaning> meaning_of(const Zone& zone) {
    const double package_error = topology_.processor.is_amd() ? kAmdError : kPackageError;
    if (const auto psys = parse_psys(zone.name)) {
      return Meaning{{.id = "psys:" + std::to_string(*psys), .kind = DeviceKind::psys}, kPsysError, kMostPlatformWatts};
    }
    const auto package = package_device(zone);
    if (!package) return std::nullopt;
    if (parse_package(zone.name)) return Meaning{*package, package_error, kMostPackageWatts};
    const std::string place = package->id.substr(package->id.find(':') + 1);
    if (zone.name == "dram") {
      return Meaning{
          {.id = "dram:" + place, .kind = DeviceKind::dram, .follows = package->id}, kDramError, kMostDramWatts};
    }
    if (zone.name == "core" && topology_.processor.is_amd()) {
      leave_out(zone, "on AMD it counts one core and not the package's cores");
      return std::nullopt;
    }
    if (zone.name == "core" || zone.name == "uncore") {
      const auto kind = zone.name == "core" ? DeviceKind::core : DeviceKind::uncore;
      return Meaning{
          {.id = zone.name + ":" + place, .kind = kind, .parent = package->id}, package_error, kMostPackageWatts};
    }
    leave_out(zone, "a zone named '" + zone.name + "' is not known");
    return std::nullopt;
  }

  // The package that the zone is, or lies in.
  std::optional<Device> package_device(const Zone& zone) {
    auto name = parse_package(zone.name);
    if (!name) name = parse_package(zone.parent);
    if (!name) {
      leave_out(zone, "a zone named '" + zone.name + "' is not known");
      return std::nullopt;
    }
    // AMD's dies all show the counter of the package; the first stands for it.
    if (topology_.processor.is_amd()) name->die.reset();
    for (const CpuPackage& known : topology_.packages) {
      if (known.number == name->number && known.die == name->die) return topology_.device(known);
    }
    const CpuPackage unknown{.number = name->number, .die = name->die};
    return topology_.device(unknown);
  }

  Topology topology_;
  Inventory inventory_;
  std::optional<fs::path> dangling_;
  std::vector<Refusal> refusals_;
  std::vector<SensorFile> files_;         // by channel
  std::vector<std::string> directories_;  // by channel
};

}  // namespace

Result<std::unique_ptr<Source>> open_rapl_powercap(const Roots& roots) {
  std::error_code error;
  if (!fs::exists(roots.sys / "class/powercap", error))
    return fail(Errc::absent, "no RAPL zone in /sys/class/powercap");
  auto source = std::make_unique<RaplPowercap>(roots);
  CHECK(source->works());
  return source;
}

}  // namespace everywatt
