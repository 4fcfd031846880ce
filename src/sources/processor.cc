// Processors without a meter: power from how busy they are. On a cloud machine
// watts for each virtual CPU; on a known processor a share of its rated power;
// otherwise a wide guess that says so. The meter takes it only where nothing
// was measured.
#include <algorithm>
#include <cstdio>

#include "base/file.h"
#include "sources/processor_table.h"
#include "sources/source.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

// Watts of one virtual CPU, idle and fully used: Cloud Carbon Footprint, Methodology.md,
// from SPECpower results of the providers' processors.
struct VirtualCpu {
  std::string_view provider;
  double idle;
  double full;
};
constexpr VirtualCpu kAws = {"AWS", 0.74, 3.50};
constexpr VirtualCpu kGoogle = {"Google Cloud", 0.71, 4.26};
constexpr VirtualCpu kAzure = {"Azure", 0.78, 3.76};
constexpr VirtualCpu kAnyCloud = {"the mean of AWS, Google Cloud and Azure", (0.74 + 0.71 + 0.78) / 3,
                                  (3.50 + 4.26 + 3.76) / 3};

// Share of rated power at a load: Teads Engineering, "Building an AWS EC2 Carbon Emissions
// Dataset" (2021), stress tests on bare-metal Xeons.
struct LoadPoint {
  double load;
  double share;
};
constexpr LoadPoint kLoadCurve[] = {{0, 0.12}, {0.10, 0.32}, {0.50, 0.75}, {1, 1.02}};

// Relative standard uncertainties: a model from rated power or of a virtual CPU is good to
// 40 %; where not even the processor is known, to a factor of 4 (ln 4 / 2).
constexpr double kModelError = 0.40;
constexpr double kGuessError = 0.70;

std::string dmi(const Roots& roots, std::string_view field) {
  return read_line(roots.sys / "class/dmi/id" / field).value_or("");
}

// What the firmware says it runs on.
struct Host {
  std::string vendor;   // "Amazon EC2"
  std::string product;  // "m5.large", "c5.metal"
};

bool is_guest(const Host& host, const Cpuinfo& processor) {
  if (processor.hypervisor) return true;
  if (host.product.ends_with(".metal") || host.product.find(".metal-") != host.product.npos) return false;
  // arm64 has no flag for it: the firmware's maker tells.
  return host.vendor == "Amazon EC2" || host.vendor == "QEMU" || host.vendor == "Google" ||
         host.product == "Virtual Machine" || host.product == "Google Compute Engine";
}

const VirtualCpu& virtual_cpu(const Host& host) {
  if (host.vendor == "Amazon EC2") return kAws;
  if (host.vendor == "Google") return kGoogle;
  if (host.vendor == "Microsoft Corporation") return kAzure;
  return kAnyCloud;
}

// A model of one package, and where it comes from.
struct Estimate {
  PowerModel model;
  double error;
  std::string provenance;
};

Estimate of_virtual_cpus(const VirtualCpu& cpu, std::size_t count, std::string_view subject, double error) {
  char text[240];
  std::snprintf(text, sizeof text, "%.2f to %.2f W for each of %zu %.*s; Cloud Carbon Footprint, %.*s", cpu.idle,
                cpu.full, count, static_cast<int>(subject.size()), subject.data(),
                static_cast<int>(cpu.provider.size()), cpu.provider.data());
  const double cpus = static_cast<double>(count);
  return {{{{0, cpus * cpu.idle * watt}, {1, cpus * cpu.full * watt}}}, error, text};
}

// The dies of a package share its rated power.
Estimate of_rated_power(const RatedProcessor& processor, std::size_t dies) {
  PowerModel model;
  const double part = 1.0 / static_cast<double>(dies);
  for (const LoadPoint& point : kLoadCurve) model.points.push_back({point.load, part * point.share * processor.tdp});
  char text[240];
  std::snprintf(text, sizeof text,
                "12 to 102 %% of the rated %g W of a %.*s (%.*s, %.*s); load curve of Teads Engineering, 2021",
                processor.tdp / watt, static_cast<int>(processor.model.size()), processor.model.data(),
                static_cast<int>(processor.source.size()), processor.source.data(),
                static_cast<int>(processor.date.size()), processor.date.data());
  return {model, kModelError, text};
}

Estimate estimate(const CpuPackage& package, const Topology& topology, const Host& host) {
  const std::size_t cpus = std::max<std::size_t>(1, package.cpus.size());
  if (is_guest(host, topology.processor)) return of_virtual_cpus(virtual_cpu(host), cpus, "virtual CPUs", kModelError);
  const auto dies = std::ranges::count(topology.packages, package.number, &CpuPackage::number);
  if (const auto rated = find_processor(topology.processor.model)) {
    return of_rated_power(*rated, static_cast<std::size_t>(dies));
  }
  return of_virtual_cpus(kAnyCloud, cpus, "CPUs of a processor that is in no table (a guess, good to a factor of 4)",
                         kGuessError);
}

class Processor final : public Source {
 public:
  Processor(const Topology& topology, const Host& host, const std::string& cpuinfo) {
    for (const CpuPackage& package : topology.packages) {
      Estimate of_package = estimate(package, topology, host);
      inventory_.devices.push_back(topology.device(package));
      inventory_.channels.push_back({.device = inventory_.devices.back().id,
                                     .kind = ChannelKind::model,
                                     .method = Method::modelled,
                                     .sensor = "processor",
                                     .detail = cpuinfo,
                                     .systematic = of_package.error,
                                     .model = std::move(of_package.model),
                                     .provenance = std::move(of_package.provenance)});
    }
  }

  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>&) override { return {}; }

 private:
  Inventory inventory_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_processor(const Roots& roots) {
  const auto cpuinfo = roots.proc / "cpuinfo";
  CHECK(read_cpuinfo(roots));
  const Host host{.vendor = dmi(roots, "sys_vendor"), .product = dmi(roots, "product_name")};
  return std::make_unique<Processor>(read_topology(roots), host, cpuinfo.string());
}

}  // namespace everywatt
