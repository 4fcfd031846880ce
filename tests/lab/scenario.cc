#include "tests/lab/scenario.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include "base/text.h"
#include "tests/lab/drivers.h"
#include "tests/lab/scenario_parse.h"
#include "tests/lab/words.h"

namespace everywatt::lab {
namespace {

nvml::Return parse_status(Table& table, std::string_view key, nvml::Return otherwise) {
  if (!table.has(key)) return otherwise;
  const auto status = find(statuses(), table.text(key, ""));
  if (!status) table.refuse(key, "expected one of " + list(statuses()));
  return status.value_or(otherwise);
}

// "12.4" as NVML says it: 12040.
int parse_cuda(Table& table, int otherwise) {
  const std::string text = table.text("cuda", "");
  if (text.empty()) return otherwise;
  const auto parts = split(text, '.');
  const std::uint64_t major = parse_u64(parts.front()).value_or(0);
  const std::uint64_t minor = parse_u64(parts.back()).value_or(100);
  if (parts.size() != 2 || major < 1 || major > 1000 || minor > 99)
    table.refuse("cuda", "expected a version such as \"12.4\"");
  return static_cast<int>(major * 1000 + minor * 10);
}

void parse_node(Table& table, Scenario& scenario) {
  scenario.driver = table.text("driver", scenario.driver);
  scenario.cuda = parse_cuda(table, scenario.cuda);
  scenario.init_length = table.seconds("init_s", 0);
  scenario.init_status = parse_status(table, "init_status", nvml::Return::success);
  using enum Scenario::Library;
  constexpr std::pair<std::string_view, Scenario::Library> kLibraries[] = {
      {"there", there}, {"absent", absent}, {"foreign", foreign}};
  const auto library = find<Scenario::Library>(kLibraries, table.text("library", "there"));
  if (!library) table.refuse("library", "expected there, absent or foreign");
  scenario.library = library.value_or(there);
  scenario.processor = table.text("processor", scenario.processor);
  table.close();
}

Package parse_package(Table& table) {
  Package package;
  package.power = {table.shape("watts", package.power.watts)};
  package.idle = parse_idle(table, package.power, "idle_watts");
  package.limit = table.watts("limit_watts", package.limit);
  package.utilisation = table.shape("utilisation");
  package.cpus = static_cast<unsigned>(table.whole("cpus", package.cpus));
  if (package.cpus < 1 || package.cpus > 1024) table.refuse("cpus", "expected 1 to 1024");
  package.counter.gain = table.number("gain", 1);
  package.counter.start = table.whole("start_uj", package.counter.start);
  package.counter.range = table.whole("range_uj", package.counter.range - 1) + 1;
  if (table.has("dram_watts")) {
    package.dram = PowerShape{table.shape("dram_watts")};
    package.dram_idle = parse_idle(table, *package.dram, "dram_idle_watts");
  }
  package.dram_counter.start = table.whole("dram_start_uj", package.dram_counter.start);
  package.dram_counter.range = table.whole("dram_range_uj", package.dram_counter.range - 1) + 1;
  table.close();
  return package;
}

Defect parse_defect(Table& table) {
  using enum Defect::Kind;
  constexpr std::pair<std::string_view, Defect::Kind> kKinds[] = {
      {"missing", missing}, {"answers", answers}, {"hangs", hangs}, {"reloads", reloads}};
  Defect defect;
  const auto kind = find<Defect::Kind>(kKinds, table.text("kind", ""));
  if (!kind) table.refuse(table.has("kind") ? "kind" : "", "a defect's kind is missing, answers, hangs or reloads");
  defect.kind = kind.value_or(answers);
  defect.status = parse_status(table, "status", defect.status);
  defect.length = table.seconds("length_s", defect.length);
  defect.calls = table.texts("calls");
  if (table.has("gpu")) defect.gpu = static_cast<std::uint32_t>(table.whole("gpu", 0));
  defect.life = parse_life(table);
  if (kind == missing && defect.calls.empty()) table.refuse("", "name what is missing: calls = [\"nvmlDevice…\"]");
  if (kind == hangs && defect.length <= 0) table.refuse("", "say how long it hangs: length_s = 3");
  if (kind == reloads && defect.life.to == INT64_MAX) table.refuse("", "say when the driver is back: to_s");
  table.close();
  return defect;
}

Scenario parse_tables(Table& table) {
  Scenario scenario;
  if (auto node = table.table("node")) parse_node(*node, scenario);
  for (Table& package : table.tables("package")) scenario.packages.push_back(parse_package(package));
  const auto major = parse_u64(split(scenario.driver, '.').front()).value_or(0);
  for (Table& gpu : table.tables("gpu")) {
    auto gpus = parse_gpus(gpu, scenario.gpus.size(), static_cast<unsigned>(major));
    std::ranges::move(gpus, std::back_inserter(scenario.gpus));
  }
  for (Table& defect : table.tables("defect")) scenario.defects.push_back(parse_defect(defect));
  table.close();
  return scenario;
}

}  // namespace

Interval parse_life(Table& table) {
  const Interval life{table.seconds("from_s", 0), table.seconds("to_s", INT64_MAX)};
  if (life.to <= life.from) table.refuse("to_s", "must be after from_s");
  return life;
}

Power parse_idle(Table& table, const PowerShape& power, std::string_view key) {
  const Power least = std::max(Power{}, power.watts.least() * watt);
  const Power idle = table.watts(key, least);
  if (idle > least + 1e-9 * watt)
    table.refuse(key, "the power falls below it, and what is above idle must never be negative: lower it");
  return idle;
}

std::string name_of(const Pid& pid) {
  if (pid.kind == Pid::Kind::number) return std::to_string(pid.number);
  if (pid.kind == Pid::Kind::job_child) return "job-child";
  std::string name = "job";
  for (const std::size_t child : pid.path) name += "/" + std::to_string(child);
  return name;
}

PowerShape Gpu::true_power() const {
  PowerShape power = meters.power;
  if (!(context > Power{})) return power;
  // Where lives begin and end, and whether anyone lives from there on.
  std::vector<Nanoseconds> edges;
  for (const Process& process : processes) {
    edges.push_back(process.life.from);
    if (process.life.to != INT64_MAX) edges.push_back(process.life.to);
  }
  std::ranges::sort(edges);
  edges.erase(std::ranges::unique(edges).begin(), edges.end());
  if (edges.empty()) return power;
  std::vector<Shape::Point> points{{edges.front() - 1, 0}};
  for (const Nanoseconds edge : edges) {
    const bool is_held =
        std::ranges::any_of(processes, [edge](const Process& process) { return process.life.contains(edge); });
    points.push_back({edge, is_held ? context / watt : 0});
  }
  power.watts += Shape::steps(points);
  return power;
}

std::vector<std::string> Scenario::missing() const {
  std::vector<std::string> symbols;
  for (const std::string_view symbol : symbols_lacking(driver)) symbols.emplace_back(symbol);
  for (const Defect& defect : defects) {
    if (defect.kind == Defect::Kind::missing) std::ranges::copy(defect.calls, std::back_inserter(symbols));
  }
  return symbols;
}

Result<Scenario> parse_scenario(std::string_view text, const std::string& file) {
  TRY(const toml::table root, parse_table(text, file));
  Problem problem{.file = file};
  Table table{root, problem};
  Scenario scenario = parse_tables(table);
  if (problem.first) return std::unexpected{*std::move(problem.first)};
  return scenario;
}

Result<Scenario> read_scenario(const std::filesystem::path& path) {
  std::ifstream file{path};
  if (!file) return fail(Errc::absent, "no scenario " + path.string() + " that can be read");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_scenario(text.str(), path.string());
}

}  // namespace everywatt::lab
