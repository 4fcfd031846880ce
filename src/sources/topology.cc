#include "sources/topology.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "sources/proc_stat.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

using Place = std::pair<unsigned, unsigned>;  // package, die
using CpusOfPlace = std::map<Place, std::vector<unsigned>>;

std::vector<unsigned> listed_cpus(const fs::path& cpu_root) {
  if (const auto online = read_line(cpu_root / "online")) {
    if (auto cpus = parse_cpu_list(*online); cpus && !cpus->empty()) return *std::move(cpus);
  }
  std::vector<unsigned> cpus;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{cpu_root, error}) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("cpu")) continue;
    const auto cpu = parse_u64(std::string_view{name}.substr(3));
    if (cpu && *cpu <= UINT16_MAX) cpus.push_back(static_cast<unsigned>(*cpu));
  }
  std::ranges::sort(cpus);
  return cpus;
}

// Some arm64 guests say -1 for "not known": the machine is then one package.
unsigned number_in(const fs::path& file) {
  const auto value = read_u64(file);
  return value && *value <= UINT16_MAX ? static_cast<unsigned>(*value) : 0;
}

// One die's list names all its CPUs, so that a few reads tell of 256; older
// kernels have no such list and are asked CPU by CPU.
CpusOfPlace read_places(const fs::path& cpu_root) {
  CpusOfPlace places;
  std::set<unsigned> known;
  for (const unsigned cpu : listed_cpus(cpu_root)) {
    if (known.contains(cpu)) continue;
    const fs::path topology = cpu_root / ("cpu" + std::to_string(cpu)) / "topology";
    std::error_code error;
    if (!fs::exists(topology / "physical_package_id", error)) continue;
    auto& cpus = places[{number_in(topology / "physical_package_id"), number_in(topology / "die_id")}];
    const auto list = read_line(topology / "die_cpus_list");
    auto siblings = list ? parse_cpu_list(*list) : std::nullopt;
    if (!siblings || std::ranges::find(*siblings, cpu) == siblings->end()) siblings = std::vector{cpu};
    for (const unsigned sibling : *siblings) {
      if (known.insert(sibling).second) cpus.push_back(sibling);
    }
  }
  return places;
}

// The TPMI driver has one zone for the whole package even where it has several
// dies (kernel: drivers/powercap/intel_rapl_tpmi.c).
bool has_whole_package_zone(const Roots& roots, unsigned number) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{roots.sys / "class/powercap", error}) {
    const auto name = read_line(entry.path() / "name");
    if (name && *name == "package-" + std::to_string(number)) return true;
  }
  return false;
}

std::size_t dies_of(const CpusOfPlace& places, unsigned number) {
  return static_cast<std::size_t>(
      std::ranges::count_if(places, [&](const auto& p) { return p.first.first == number; }));
}

std::vector<CpuPackage> packages_of(const CpusOfPlace& places, const Cpuinfo& processor, const Roots& roots) {
  std::vector<CpuPackage> packages;
  for (const auto& [place, cpus] : places) {
    const auto [number, die] = place;
    const bool is_split = !processor.is_amd() && dies_of(places, number) > 1 && !has_whole_package_zone(roots, number);
    if (is_split) {
      packages.push_back({number, die, cpus});
    } else if (!packages.empty() && packages.back().number == number) {
      std::ranges::copy(cpus, std::back_inserter(packages.back().cpus));
    } else {
      packages.push_back({number, std::nullopt, cpus});
    }
  }
  for (CpuPackage& package : packages) std::ranges::sort(package.cpus);
  return packages;
}

CpuPackage whole_machine(const Roots& roots) {
  CpuPackage package;
  std::vector<CpuTicks> lines;
  const auto text = read_text(roots.proc / "stat");
  if (!text || scan_cpu_lines(*text, lines) != CpuLines::complete) return package;
  for (const CpuTicks& line : lines) package.cpus.push_back(line.cpu);
  return package;
}

}  // namespace

std::string CpuPackage::place() const {
  return std::to_string(number) + (die ? "-die-" + std::to_string(*die) : std::string{});
}

const CpuPackage* Topology::of_cpu(unsigned cpu) const {
  const auto at =
      std::ranges::find_if(packages, [&](const CpuPackage& p) { return std::ranges::binary_search(p.cpus, cpu); });
  return at == packages.end() ? nullptr : &*at;
}

const CpuPackage* Topology::of_package(unsigned number) const {
  const auto at = std::ranges::find(packages, number, &CpuPackage::number);
  return at == packages.end() ? nullptr : &*at;
}

Device Topology::device(const CpuPackage& package) const {
  return {
      .id = "package:" + package.place(), .kind = DeviceKind::package, .model = processor.model, .cpus = package.cpus};
}

Topology read_topology(const Roots& roots) {
  Topology topology;
  if (auto processor = read_cpuinfo(roots)) topology.processor = *std::move(processor);
  topology.packages = packages_of(read_places(roots.sys / "devices/system/cpu"), topology.processor, roots);
  if (topology.packages.empty()) topology.packages.push_back(whole_machine(roots));
  return topology;
}

}  // namespace everywatt
