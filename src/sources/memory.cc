// Memory without a meter: a constant power for each gigabyte that the machine
// has. The meter takes it only where no dram meter exists.
#include <cstdio>

#include "base/file.h"
#include "base/text.h"
#include "sources/source.h"

namespace everywatt {
namespace {

// Crucial: about 3 W for 8 GB (0.375 W/GB); Cloud Carbon Footprint takes the mean of
// several makers' figures, 0.392 W/GB. Good to about a half (k = 2).
constexpr double kWattsPerGigabyte = 0.375;
constexpr double kError = 0.25;

// MemTotal of /proc/meminfo, in kB (kernel: Documentation/filesystems/proc.rst).
std::optional<double> parse_total_gigabytes(std::string_view meminfo) {
  for (const std::string_view line : split(meminfo, '\n')) {
    const auto fields = words(line);
    if (fields.size() < 2 || fields[0] != "MemTotal:") continue;
    const auto kilobytes = parse_u64(fields[1]);
    if (!kilobytes || *kilobytes == 0) return std::nullopt;
    return static_cast<double>(*kilobytes) / (1024.0 * 1024.0);
  }
  return std::nullopt;
}

std::string provenance(double gigabytes) {
  char text[160];
  std::snprintf(text, sizeof text, "%.3f W/GB x %.1f GB of MemTotal; Crucial: 3 W for 8 GB of DDR4", kWattsPerGigabyte,
                gigabytes);
  return text;
}

class Memory final : public Source {
 public:
  Memory(double gigabytes, std::string meminfo) {
    const Power power = kWattsPerGigabyte * gigabytes * watt;
    inventory_.devices.push_back({.id = "memory:0", .kind = DeviceKind::memory, .follows = "*"});
    inventory_.channels.push_back({.device = "memory:0",
                                   .kind = ChannelKind::model,
                                   .method = Method::modelled,
                                   .sensor = "memory",
                                   .detail = std::move(meminfo),
                                   .systematic = kError,
                                   .model = {{{0, power}, {1, power}}},
                                   .provenance = provenance(gigabytes)});
  }

  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>&) override { return {}; }

 private:
  Inventory inventory_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_memory(const Roots& roots) {
  const auto path = roots.proc / "meminfo";
  TRY(const std::string text, read_text(path));
  const auto gigabytes = parse_total_gigabytes(text);
  if (!gigabytes) return fail(Errc::malformed, path.string() + ": says no MemTotal");
  return std::make_unique<Memory>(*gigabytes, path.string());
}

}  // namespace everywatt
