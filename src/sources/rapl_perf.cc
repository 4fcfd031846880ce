// RAPL energy counters through the kernel's `power` PMU (arch/x86/events/rapl.c):
// the registers of rapl-powercap, read by one system call each, and the kernel
// accumulates them in 64 bits, so that they never begin again. Units are
// 2^-32 J whatever the processor's own (the kernel has scaled DRAM's and
// Sapphire Rapids' psys quirks away).
#include <linux/perf_event.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "sources/rapl.h"
#include "sources/source.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

using namespace rapl;

namespace fs = std::filesystem;

constexpr std::string_view kRemedy =
    " (needs CAP_PERFMON or a kernel.perf_event_paranoid of 0 or less; `sudo everywatt doctor --fix` opens RAPL to a "
    "group)";

struct Domain {
  std::string_view event;
  std::string_view device;  // of the id: "dram" + ":0"
  DeviceKind kind;
  double error;
  double most_watts;
};
constexpr Domain kDomains[] = {
    {"energy-pkg", "package", DeviceKind::package, kPackageError, kMostPackageWatts},
    {"energy-ram", "dram", DeviceKind::dram, kDramError, kMostDramWatts},
    {"energy-cores", "core", DeviceKind::core, kPackageError, kMostPackageWatts},
    {"energy-gpu", "uncore", DeviceKind::uncore, kPackageError, kMostPackageWatts},
    {"energy-psys", "psys", DeviceKind::psys, kPsysError, kMostPlatformWatts},
};

// "event=0x02"
std::optional<std::uint64_t> parse_event(std::string_view text) {
  constexpr std::string_view kKey = "event=0x";
  if (!text.starts_with(kKey) || text.size() == kKey.size() || text.size() > kKey.size() + 8) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text.substr(kKey.size())) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) return std::nullopt;
    value = value * 16 + static_cast<std::uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return value;
}

// "2.3283064365386962890625e-10" J is exactly one 2^32th; only such a unit is exact.
std::optional<Scale> parse_scale(std::string_view text) {
  const auto joules = parse_double(text);
  if (!joules || *joules <= 0) return std::nullopt;
  const double per_joule = 1 / *joules;
  if (per_joule < 1 || per_joule > 0x1p53 || per_joule != std::floor(per_joule)) return std::nullopt;
  return Scale{1'000'000, static_cast<std::uint64_t>(per_joule)};
}

class RaplPerf final : public Source {
 public:
  explicit RaplPerf(const Roots& roots) : roots_{roots}, topology_{read_topology(roots)} {}

  // Opens what can be opened; an error where that is nothing.
  Result<void> open_events() {
    const fs::path pmu = roots_.sys / "bus/event_source/devices/power";
    TRY(const std::uint64_t type, read_u64(pmu / "type"));
    TRY(const std::string cpumask, read_line(pmu / "cpumask"));
    const auto cpus = parse_cpu_list(cpumask);
    if (!cpus) return fail(Errc::malformed, (pmu / "cpumask").string() + ": not a list of CPUs: '" + cpumask + "'");
    for (const Domain& domain : kDomains) {
      const fs::path event = pmu / "events" / domain.event;
      std::error_code error;
      if (!fs::exists(event, error)) continue;
      for (const unsigned cpu : *cpus) open_event(event, domain, static_cast<std::uint32_t>(type), cpu);
    }
    if (!events_.empty()) return {};
    if (denied_) return std::unexpected{*denied_};
    return fail(Errc::absent, pmu.string() + ": counts no energy");
  }

  const Inventory& inventory() const override { return inventory_; }

  Result<void> sample(std::vector<Reading>& out) override {
    std::optional<Error> failure;
    for (std::uint32_t i = 0; i < events_.size(); ++i) {
      std::uint64_t count = 0;
      const ssize_t n = ::read(events_[i].get(), &count, sizeof count);
      if (n == sizeof count) {
        out.push_back({.channel = i, .raw = count});
      } else if (!failure) {
        failure = unread(inventory_.channels[i].detail, n < 0 ? errno : 0);
      }
    }
    if (failure) return std::unexpected{*std::move(failure)};
    return {};
  }

 private:
  static Error unread(const std::string& event, int error) {
    if (error != 0) return fail_errno(error, "read " + event).error();
    return {Errc::io, "read " + event + ": the counter ended"};
  }

  void leave_out(const fs::path& event, std::string why) {
    inventory_.notes.push_back("power/" + event.filename().string() + ": " + std::move(why));
  }

  void open_event(const fs::path& event, const Domain& domain, std::uint32_t type, unsigned cpu) {
    const Device device = device_of(domain, cpu);
    if (std::ranges::find(inventory_.channels, device.id, &Channel::device) != inventory_.channels.end()) {
      return leave_out(event, "on CPU " + std::to_string(cpu) + " repeats " + device.id);
    }
    const auto code = parse_event(read_line(event).value_or(""));
    const auto scale = parse_scale(read_line(event.string() + ".scale").value_or(""));
    if (!code || !scale || read_line(event.string() + ".unit").value_or("") != "Joules") {
      return leave_out(event, "its code, scale or unit is not understood");
    }
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = type;
    attr.config = *code;
    Fd fd{roots_.perf_event_open(&attr, -1, static_cast<int>(cpu), -1, PERF_FLAG_FD_CLOEXEC)};
    if (!fd) return refuse(event, cpu, errno);
    events_.push_back(std::move(fd));
    inventory_.devices.push_back(device);
    inventory_.channels.push_back(channel(domain, device.id, *scale, cpu));
  }

  void refuse(const fs::path& event, unsigned cpu, int error) {
    Error refused =
        fail_errno(error, "open power/" + event.filename().string() + " on CPU " + std::to_string(cpu)).error();
    if (refused.code == Errc::denied) {
      refused.what += kRemedy;
      if (!denied_) denied_ = refused;
    }
    leave_out(event, refused.what);
  }

  [[nodiscard]] Device device_of(const Domain& domain, unsigned cpu) const {
    const CpuPackage* found = topology_.of_cpu(cpu);
    const CpuPackage& on = found ? *found : topology_.packages.front();
    Device package = topology_.device(on);
    const std::string place = on.place();
    switch (domain.kind) {
      case DeviceKind::package:
        return package;
      case DeviceKind::dram:
        return {.id = "dram:" + place, .kind = DeviceKind::dram, .follows = package.id};
      case DeviceKind::psys:
        return {.id = "psys:" + std::to_string(on.number), .kind = DeviceKind::psys};
      default:
        return {.id = std::string{domain.device} + ":" + place, .kind = domain.kind, .parent = package.id};
    }
  }

  [[nodiscard]] Channel channel(const Domain& domain, const std::string& device, Scale scale, unsigned cpu) const {
    return {.device = device,
            .kind = ChannelKind::energy,
            .method = Method::counter,
            .sensor = "rapl-perf",
            .detail = "power/" + std::string{domain.event} + "/ on CPU " + std::to_string(cpu),
            .scale = scale,
            .period = kMillisecond,
            .systematic = topology_.processor.is_amd() ? kAmdError : domain.error,
            .most = domain.most_watts * watt};
  }

  Roots roots_;
  Topology topology_;
  Inventory inventory_;
  std::vector<Fd> events_;  // by channel
  std::optional<Error> denied_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_rapl_perf(const Roots& roots) {
  if (!roots.perf_event_open) return fail(Errc::absent, "the kernel's performance counters are not this machine's");
  std::error_code error;
  if (!fs::exists(roots.sys / "bus/event_source/devices/power", error))
    return fail(Errc::absent, "the kernel has no power PMU here");
  auto source = std::make_unique<RaplPerf>(roots);
  CHECK(source->open_events());
  return source;
}

}  // namespace everywatt
