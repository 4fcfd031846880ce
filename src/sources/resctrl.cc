// Memory bandwidth monitoring through resctrl, where somebody has mounted it (Documentation/filesystems/resctrl.rst of
// the kernel): bytes that passed the last cache of each domain, mon_data/mon_L3_*/mbm_total_bytes. The root's files
// hold what belongs to no group of its own; each control group holds its own and that of the monitoring groups in it.
#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "sources/byte_counter.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDomain = "mon_L3_";

class MonitoredCache final : public ByteCounter {
 public:
  explicit MonitoredCache(PolledFile file) : file_{std::move(file)} {}

  // "Unavailable" (the hardware has not counted yet), "Error" and "Unassigned" (more groups than counters) are no
  // numbers, and pass or not.
  Result<std::optional<std::uint64_t>> bytes() override {
    char buffer[64];
    const auto text = file_.read(buffer, sizeof buffer);
    if (text) {
      const auto count = parse_u64(trim(*text));
      if (count) last_ = count;
      return count;
    }
    // A group that was removed counts no more: its tasks are another's.
    if (text.error().code == Errc::absent) return last_;
    return std::unexpected{text.error()};
  }

 private:
  PolledFile file_;
  std::optional<std::uint64_t> last_;
};

// The root and the control groups in it.
std::vector<fs::path> groups_in(const fs::path& root) {
  std::vector<fs::path> groups{root};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{root, error}) {
    const std::string name = entry.path().filename();
    const bool is_own = name == "info" || name == "mon_groups" || name == "mon_data";
    if (!is_own && fs::is_directory(entry.path() / "mon_data", error)) groups.push_back(entry.path());
  }
  std::ranges::sort(groups);
  return groups;
}

// Which package a cache of the last level belongs to, by the numbers in cache/index3/id.
std::map<unsigned, std::string> packages_by_cache(const Roots& roots, const Topology& topology,
                                                  const std::set<unsigned>& wanted) {
  std::map<unsigned, std::string> packages;
  for (const CpuPackage& package : topology.packages) {
    for (const unsigned cpu : package.cpus) {
      if (packages.size() == wanted.size()) return packages;
      const auto id = read_u64(roots.sys / "devices/system/cpu" / ("cpu" + std::to_string(cpu)) / "cache/index3/id");
      if (id && wanted.contains(static_cast<unsigned>(*id)))
        packages.try_emplace(static_cast<unsigned>(*id), topology.device(package).id);
    }
  }
  return packages;
}

}  // namespace

Result<FoundCounters> find_resctrl_counters(const Roots& roots) {
  struct Domain {
    unsigned cache = 0;
    fs::path file;
  };
  std::vector<Domain> domains;
  std::set<unsigned> caches;
  std::error_code error;
  for (const fs::path& group : groups_in(roots.sys / "fs/resctrl")) {
    for (const auto& entry : fs::directory_iterator{group / "mon_data", error}) {
      const std::string name = entry.path().filename();
      if (!name.starts_with(kDomain)) continue;
      const auto cache = parse_u64(name.substr(kDomain.size()));
      const fs::path file = entry.path() / "mbm_total_bytes";
      if (!cache || !fs::exists(file, error)) continue;
      domains.push_back({static_cast<unsigned>(*cache), file});
      caches.insert(static_cast<unsigned>(*cache));
    }
  }
  if (domains.empty()) return fail(Errc::absent, "resctrl is not mounted, or monitors no bandwidth");
  std::ranges::sort(domains, {}, &Domain::file);
  const Topology topology = read_topology(roots);
  const auto packages = packages_by_cache(roots, topology, caches);
  FoundCounters found;
  for (const Domain& domain : domains) {
    auto file = PolledFile::open(domain.file);
    if (!file) {
      Error refused = file.error();
      if (refused.code == Errc::denied) refused.what += " (run as root, or let a group read /sys/fs/resctrl)";
      return std::unexpected{std::move(refused)};
    }
    const auto package = packages.find(domain.cache);
    found.push_back(
        {.device = package != packages.end() ? package->second : topology.device(topology.packages.front()).id,
         .quantity = kMemoryTraffic,
         .counter = std::make_unique<MonitoredCache>(*std::move(file))});
  }
  return found;
}

}  // namespace everywatt
