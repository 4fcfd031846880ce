#include "import/mllog.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "base/file.h"
#include "import/mllog_node.h"
#include "import/mllog_result.h"
#include "import/trace_device.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPublished = "published_kilowatt_hours";

void append(std::vector<std::string>& all, std::vector<std::string> more) {
  std::ranges::move(more, std::back_inserter(all));
}

Run run_of(const MllogFiles& files, MllogResult& result) {
  Run run;
  run.name = files.folder;
  run.origin = "import";
  run.status = result.success ? RunStatus::finished : RunStatus::failed;
  run.started = {.steady = result.run.begin, .wall = result.run.begin};
  run.ended = Instant{.steady = result.run.end, .wall = result.run.end};
  run.boundary = "node";
  if (const auto benchmark = result.tags.find("submission_benchmark"); benchmark != result.tags.end())
    run.model = benchmark->second;
  run.tags = std::move(result.tags);
  run.metrics = std::move(result.metrics);
  run.environment = std::move(result.environment);
  run.notices = std::move(result.notices);
  return run;
}

bool are_equal(const std::vector<PowerReading>& a, const std::vector<PowerReading>& b) {
  return std::ranges::equal(
      a, b, [](const PowerReading& x, const PowerReading& y) { return x.time == y.time && x.power == y.power; });
}

// Two meters never agree to the watt and the millisecond over a whole run: one
// of the records is a copy, and which node it belongs to cannot be told.
void flag_identical(std::vector<MllogNode>& nodes, std::vector<std::string>& notices) {
  std::vector<bool> done(nodes.size(), false);
  std::string groups;
  std::size_t group_count = 0;
  std::size_t copies = 0;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (done[i] || nodes[i].readings.empty()) continue;
    std::string group = nodes[i].device.device.id;
    for (std::size_t j = i + 1; j < nodes.size(); ++j) {
      if (done[j] || !are_equal(nodes[i].readings, nodes[j].readings)) continue;
      done[j] = true;
      ++copies;
      group += " = " + nodes[j].device.device.id;
      nodes[j].device.flags.push_back("identical-to:" + nodes[i].device.device.id);
    }
    if (group == nodes[i].device.device.id) continue;
    nodes[i].device.flags.emplace_back("has-identical");
    groups += (groups.empty() ? "" : ", ") + group;
    ++group_count;
  }
  if (copies > 0)
    notices.push_back(
        fmt::format("{} groups of node records are identical, reading by reading, so that at most {} of {} "
                    "meters speak for themselves; all are counted, as the record has them: {}",
                    group_count, nodes.size() - copies, nodes.size(), groups));
}

Energy counted_energy(const std::vector<ImportedDevice>& devices) {
  Energy sum;
  for (const ImportedDevice& device : devices)
    if (device.counted && !device.curve.empty())
      sum += static_cast<double>(device.curve.points().back().total) * microjoule;
  return sum;
}

void compare_with_published(const MllogFiles::File& file, Imported& imported) {
  const auto published = parse_mllog_total(file.text);
  if (!published) {
    imported.run.notices.push_back(fmt::format("{}: no line \"…: NUMBER kWh\" in it: left out", file.name));
    return;
  }
  const double kwh = *published / kilowatt_hour;
  const double ours = counted_energy(imported.devices) / kilowatt_hour;
  imported.run.metrics[std::string{kPublished}] = kwh;
  imported.run.notices.push_back(
      fmt::format("published total {:g} kWh by a rule the record does not state; the trapezoid "
                  "over the readings within the run is {:.3f} kWh",
                  kwh, ours));
}

void add_switches(const MllogFiles::File& file, TimeSpan window, Imported& imported) {
  for (ImportedDevice& device : parse_mllog_switch(file.name, file.text, window, imported.run.notices)) {
    const auto has_its_id = [&](const ImportedDevice& known) { return known.device.id == device.device.id; };
    if (std::ranges::any_of(imported.devices, has_its_id))
      imported.run.notices.push_back(
          fmt::format("{}: {} is known from another file: left out", file.name, device.device.id));
    else
      imported.devices.push_back(std::move(device));
  }
}

// node_2 before node_10.
bool comes_before(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

struct Listing {
  std::vector<std::string> results;
  std::vector<std::string> nodes;
  std::vector<std::string> switches;
  bool has_total = false;
};

Result<Listing> list(const fs::path& folder) {
  Listing listing;
  std::error_code error;
  fs::directory_iterator entries{folder, error};
  for (; !error && entries != fs::directory_iterator{}; entries.increment(error)) {
    const std::string name = entries->path().filename().string();
    if (!name.ends_with(".txt")) continue;
    if (name == "result.txt" || name.starts_with("result_")) listing.results.push_back(name);
    if (name.starts_with("node_")) listing.nodes.push_back(name);
    if (name.starts_with("sw_")) listing.switches.push_back(name);
    if (name == "total_power.txt") listing.has_total = true;
  }
  if (error) return fail_errno(error.value(), "read the folder " + folder.string());
  for (auto* names : {&listing.results, &listing.nodes, &listing.switches}) std::ranges::sort(*names, comes_before);
  return listing;
}

Result<std::string> choose_result(const fs::path& folder, const std::vector<std::string>& results) {
  if (results.empty())
    return fail(Errc::absent, folder.string() + ": no result.txt: the folder of one MLPerf power record is expected");
  if (results.front() == "result.txt" || results.size() == 1) return results.front();
  return fail(Errc::malformed, fmt::format("{}: {} results ({} … {}): put the one that the node files belong to into a "
                                           "folder with them",
                                           folder.string(), results.size(), results.front(), results.back()));
}

Result<MllogFiles::File> read_file(const fs::path& folder, const std::string& name) {
  TRY(std::string text, read_text(folder / name));
  return MllogFiles::File{name, std::move(text)};
}

// "mlperf-power-run" of "data/mlperf-power-run/".
std::string name_of(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole.filename() : whole.parent_path().filename()).string();
}

}  // namespace

Result<Imported> parse_mllog_files(const MllogFiles& files) {
  TRY(MllogResult result, parse_mllog_result(files.result.name, files.result.text));
  const TimeSpan window = result.run;
  Imported imported;
  imported.phases = std::move(result.phases);
  imported.run = run_of(files, result);
  std::vector<std::string>& notices = imported.run.notices;
  std::vector<MllogNode> nodes;
  for (const MllogFiles::File& file : files.nodes) {
    nodes.push_back(parse_mllog_node(file.name, file.text, window));
    append(notices, std::move(nodes.back().notices));
  }
  flag_identical(nodes, notices);
  for (MllogNode& node : nodes) imported.devices.push_back(std::move(node.device));
  if (const std::string edges = edge_notice(imported.devices, window); !edges.empty()) notices.push_back(edges);
  for (const MllogFiles::File& file : files.switches) add_switches(file, window, imported);
  if (files.total) compare_with_published(*files.total, imported);
  return imported;
}

Result<Imported> import_mllog(const fs::path& folder) {
  TRY(const Listing listing, list(folder));
  TRY(const std::string result, choose_result(folder, listing.results));
  if (listing.nodes.empty())
    return fail(Errc::absent, folder.string() + ": no node_*.txt: a power record has one for each node");
  MllogFiles files{.folder = name_of(folder), .result = {}};
  TRY(files.result, read_file(folder, result));
  for (const std::string& name : listing.nodes) {
    TRY(MllogFiles::File file, read_file(folder, name));
    files.nodes.push_back(std::move(file));
  }
  for (const std::string& name : listing.switches) {
    TRY(MllogFiles::File file, read_file(folder, name));
    files.switches.push_back(std::move(file));
  }
  if (listing.has_total) {
    TRY(files.total, read_file(folder, "total_power.txt"));
  }
  auto imported = parse_mllog_files(files);
  if (!imported) return fail(imported.error().code, (folder / imported.error().what).string());
  return imported;
}

}  // namespace everywatt
