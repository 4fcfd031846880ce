// Power and energy meters that drivers offer through /sys/class/hwmon (kernel:
// Documentation/hwmon/sysfs-interface.rst): the sockets of NVIDIA Grace, the
// node's ACPI power meter, power supplies, and the rails of boards. A meter
// whose scope is not known is listed and never counted.
#include <algorithm>
#include <array>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "sources/hwmon_chip.h"
#include "sources/source.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;
using hwmon::Chip;
using hwmon::Meter;
using hwmon::number_after;

constexpr double kMostPackageWatts = 1000;
constexpr double kMostModuleWatts = 4000;
constexpr double kMostNodeWatts = 20000;

constexpr int kRank = 2;  // after RAPL's own registers

// A reading of a rail is a slow transfer on a two-wire bus, and none is counted:
// boards with dozens are asked in turns, so that they do not hold up the others.
constexpr std::size_t kRailsPerCall = 4;

// A text of /sys that is a number and may be negative (a current that flows back).
class Attribute {
 public:
  static Result<Attribute> open(const fs::path& path) {
    TRY(PolledFile file, PolledFile::open(path));
    Attribute attribute{std::move(file)};
    CHECK(attribute.read_once());
    return attribute;
  }

  Result<std::uint64_t> read() {
    if (auto value = read_once()) return value;
    TRY(file_, PolledFile::open(file_.path()));
    return read_once();
  }

 private:
  explicit Attribute(PolledFile file) : file_{std::move(file)} {}

  // Below zero is the meter's own noise about zero, or energy that flows back: no consumption.
  Result<std::uint64_t> read_once() const {
    std::array<char, 32> buffer;
    TRY(const std::string_view text, file_.read(buffer.data(), buffer.size()));
    const auto value = parse_i64(text);
    if (!value) return fail(Errc::malformed, file_.path().string() + ": not a number: '" + std::string{text} + "'");
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, *value));
  }

  PolledFile file_;
};

// What a meter measures.
struct Role {
  Device device;
  double most_watts = 0;
  bool is_rail = false;
};

class Hwmon final : public Source {
 public:
  explicit Hwmon(const Roots& roots)
      : topology_{read_topology(roots)}, host_{read_line(roots.proc / "sys/kernel/hostname").value_or("")} {
    if (host_.empty()) host_ = "localhost";
    for (const Chip& found : hwmon::find_chips(roots.sys / "class/hwmon")) {
      Chip chip = found;
      auto meters = hwmon::find_meters(chip);
      if (meters.empty()) {
        chip.path /= "device";
        meters = hwmon::find_meters(chip);
      }
      for (const Meter& meter : meters) add(chip, meter);
    }
    forget_missing_modules();
  }

  [[nodiscard]] Result<void> works() const {
    if (!readers_.empty()) return {};
    if (denied_) return std::unexpected{*denied_};
    if (!inventory_.notes.empty()) return {};  // what is there and not used is worth saying
    return fail(Errc::absent, "no power meter in /sys/class/hwmon");
  }

  const Inventory& inventory() const override { return inventory_; }

  Result<void> sample(std::vector<Reading>& out) override {
    std::optional<Error> failure;
    std::size_t rail = 0;
    for (std::uint32_t i = 0; i < readers_.size(); ++i) {
      if (readers_[i].is_rail && !is_turn_of(rail++)) continue;
      auto raw = readers_[i].read();
      if (raw) {
        out.push_back({.channel = i, .raw = *raw});
      } else if (!failure) {
        failure = std::move(raw).error();
      }
    }
    if (rails_ > 0) next_rail_ = (next_rail_ + kRailsPerCall) % rails_;
    if (failure) return std::unexpected{*std::move(failure)};
    return {};
  }

 private:
  struct Reader {
    std::vector<Attribute> factors;  // millivolts × milliamperes are microwatts
    bool is_rail;

    Result<std::uint64_t> read() {
      std::uint64_t product = 1;
      for (Attribute& factor : factors) {
        TRY(const std::uint64_t value, factor.read());
        product *= value;
      }
      return product;
    }
  };

  [[nodiscard]] bool is_turn_of(std::size_t rail) const {
    return (rail + rails_ - next_rail_) % rails_ < kRailsPerCall;
  }

  void leave_out(const Chip& chip, const Meter& meter, std::string why) {
    inventory_.notes.push_back(chip.directory + "/" + meter.attribute + " (" + chip.name + "): " + std::move(why));
  }

  void add(const Chip& chip, const Meter& meter) {
    if (hwmon::is_gpu(chip)) return leave_out(chip, meter, "a GPU's meter, left to the GPU's own driver library");
    if (hwmon::is_battery(chip, meter))
      return leave_out(chip, meter, "a battery's meter: what flows from it is no part of the machine");
    if (hwmon::is_switched_off(chip, meter)) return leave_out(chip, meter, "switched off (_enable is 0)");
    const auto role = role_of(chip, meter);
    if (!role) return;
    if (is_known(role->device.id)) return leave_out(chip, meter, "repeats " + role->device.id);
    Reader reader{.factors = {}, .is_rail = role->is_rail};
    for (const fs::path& file : meter.files) {
      auto attribute = Attribute::open(file);
      if (!attribute) return refuse(chip, meter, std::move(attribute).error());
      reader.factors.push_back(*std::move(attribute));
    }
    readers_.push_back(std::move(reader));
    if (role->is_rail) ++rails_;
    inventory_.devices.push_back(role->device);
    inventory_.channels.push_back(channel(chip, meter, *role));
    if (role->is_rail) leave_out(chip, meter, "scope not known: listed as " + role->device.id + " and not counted");
  }

  void refuse(const Chip& chip, const Meter& meter, Error error) {
    leave_out(chip, meter, error.what);
    if (error.code == Errc::denied && !denied_) denied_ = std::move(error);
  }

  static Channel channel(const Chip& chip, const Meter& meter, const Role& role) {
    const bool is_energy = meter.kind == ChannelKind::energy;
    return {.device = role.device.id,
            .kind = meter.kind,
            .method = is_energy ? Method::counter : Method::integrated,
            .sensor = "hwmon-" + chip.name,
            .detail = chip.directory + "/" + meter.files.front().filename().string() +
                      (meter.files.size() > 1 ? " x " + meter.files.back().filename().string() : ""),
            .period = meter.window,
            .window = meter.window,
            .systematic = meter.error,
            .most = role.most_watts * watt,
            .rank = kRank};
  }

  [[nodiscard]] bool is_known(const std::string& id) const {
    return std::ranges::find(inventory_.channels, id, &Channel::device) != inventory_.channels.end();
  }

  std::optional<Role> role_of(const Chip& chip, const Meter& meter) {
    if (auto role = grace_role(meter.label)) return role;
    if (chip.name == "power_meter") return Role{{.id = "node:" + host_, .kind = DeviceKind::node}, kMostNodeWatts};
    if (hwmon::is_power_supply(chip)) return supply_role(chip, meter);
    if (meter.label == "VDD_IN") return Role{{.id = "module:0", .kind = DeviceKind::module}, kMostModuleWatts};
    if (chip.name == "k10temp" && meter.label == "Package") return Role{package(0), kMostPackageWatts};
    if (chip.name == "k10temp" && meter.label == "Core")
      return Role{part("core", DeviceKind::core, 0), kMostPackageWatts};
    if (chip.name == "amd_energy") return amd_energy_role(meter);
    return Role{.device = {.id = rail_id(chip, meter), .kind = DeviceKind::uncore}, .is_rail = true};
  }

  // NVIDIA Grace: module ⊃ grace (cores, SoC and its DRAM) ⊃ {CPU rail, SoC rail}.
  std::optional<Role> grace_role(std::string_view label) {
    const auto space = label.find(' ');
    if (space == label.npos) return std::nullopt;
    const std::string_view scope = label.substr(0, space);
    const auto socket = number_after(label.substr(space + 1), "Power Socket ");
    if (!socket) return std::nullopt;
    if (scope == "Module") {
      return Role{{.id = "module:" + std::to_string(*socket), .kind = DeviceKind::module}, kMostModuleWatts};
    }
    if (scope == "Grace") {
      Role role{package(*socket), kMostPackageWatts};
      role.device.model = "NVIDIA Grace";
      role.device.includes_memory = true;
      return role;
    }
    if (scope == "CPU") return Role{part("core", DeviceKind::core, *socket), kMostPackageWatts};
    if (scope == "SysIO") return Role{part("uncore", DeviceKind::uncore, *socket), kMostPackageWatts};
    return std::nullopt;
  }

  // The supplies of a node together draw what it takes from the mains.
  std::optional<Role> supply_role(const Chip& chip, const Meter& meter) {
    if (meter.label != "pin") {
      leave_out(chip, meter, "what the supply gives: lies within what it draws (pin)");
      return std::nullopt;
    }
    return Role{{.id = "psys:" + chip.name + "@" + chip.directory, .kind = DeviceKind::psys}, kMostNodeWatts};
  }

  // AMD's own driver has a counter for each socket and one for each core, which lies within.
  std::optional<Role> amd_energy_role(const Meter& meter) {
    const auto socket = number_after(meter.label, "Esocket");
    if (!socket) return std::nullopt;
    return Role{package(*socket), kMostPackageWatts};
  }

  [[nodiscard]] Device package(unsigned number) const {
    const CpuPackage* known = topology_.of_package(number);
    Device device = topology_.device(known ? *known : CpuPackage{.number = number});
    device.parent = "module:" + std::to_string(number);
    return device;
  }

  static Device part(const std::string& name, DeviceKind kind, unsigned package) {
    const std::string number = std::to_string(package);
    return {.id = name + ":" + number, .kind = kind, .parent = "package:" + number};
  }

  [[nodiscard]] std::string rail_id(const Chip& chip, const Meter& meter) const {
    const std::string id = "rail:" + chip.name + ":" + (meter.label.empty() ? meter.attribute : meter.label);
    return is_known(id) ? id + "@" + chip.directory + "/" + meter.attribute : id;
  }

  // A package lies in a module only where the module has a meter. A module without
  // a meter of its package still holds it, so that no model of it is added.
  void forget_missing_modules() {
    for (Device& device : inventory_.devices) {
      if (device.kind == DeviceKind::package && device.parent && !is_known(*device.parent)) device.parent.reset();
    }
    const std::size_t known = inventory_.devices.size();
    for (std::size_t i = 0; i < known; ++i) {
      if (inventory_.devices[i].kind != DeviceKind::module) continue;
      const auto number = number_after(inventory_.devices[i].id, "module:");
      if (number && !is_known("package:" + std::to_string(*number))) inventory_.devices.push_back(package(*number));
    }
  }

  Topology topology_;
  std::string host_;
  Inventory inventory_;
  std::vector<Reader> readers_;  // by channel
  std::optional<Error> denied_;
  std::size_t rails_ = 0;
  std::size_t next_rail_ = 0;  // whose turn it is
};

}  // namespace

Result<std::unique_ptr<Source>> open_hwmon(const Roots& roots) {
  std::error_code error;
  if (!fs::exists(roots.sys / "class/hwmon", error)) return fail(Errc::absent, "no power meter in /sys/class/hwmon");
  auto source = std::make_unique<Hwmon>(roots);
  CHECK(source->works());
  return source;
}

}  // namespace everywatt
