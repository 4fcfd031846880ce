#include "cli/config_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

// toml++ 3.3 breaks assertions of its own on some texts that are no TOML ("[=").
struct BrokenTomlAssertion {};
[[noreturn]] void break_toml_assertion() { throw BrokenTomlAssertion{}; }
#define TOML_ASSERT(condition) ((condition) ? void() : break_toml_assertion())
#define TOML_EXCEPTIONS 0   // errors come back as values …
#define TOML_HEADER_ONLY 1  // … which Debian's compiled library was not built for
#include <toml++/toml.h>

namespace everywatt {
namespace {

// "export.mlflow." of export.mlflow.experiment.
std::string section_of(const std::string& key) { return key.substr(0, key.rfind('.') + 1); }

// A section some of whose keys are known by name has no others.
const KnownKey* find_known(const std::string& key) {
  const auto& keys = known_keys();
  const bool is_closed = std::ranges::any_of(keys, [&](const KnownKey& known) {
    return !known.key.ends_with(".*") && section_of(known.key) == section_of(key);
  });
  const auto matches = [&](const KnownKey& known) {
    if (known.key.ends_with(".*")) return !is_closed && key.starts_with(known.key.substr(0, known.key.size() - 1));
    return known.key == key;
  };
  const auto found = std::ranges::find_if(keys, matches);
  return found == keys.end() ? nullptr : &*found;
}

std::string place(const std::string& file, const toml::node& node) {
  return file + ":" + std::to_string(node.source().begin.line);
}

// Empty: the value fits.
std::string misfit(const KnownKey& known, const toml::node& node) {
  const auto number = node.value<double>();
  const bool is_number = node.is_number() && number && std::isfinite(*number);
  if (known.kind == "number" && !(is_number && *number >= 0)) return "a number from 0";
  if (known.kind == "ratio" && !(is_number && *number >= 1 && *number <= 100)) return "a number from 1 to 100";
  if (known.kind == "fraction" && !(is_number && *number >= 0.01 && *number <= 1)) return "a number from 0.01 to 1";
  if (known.kind == "interval") {
    const auto whole = node.value_exact<std::int64_t>();
    if (!whole || *whole < 1 || *whole > 86'400) return "a whole number from 1 to 86400";
  }
  if (known.kind == "switch" && !node.is_boolean()) return "true or false";
  if (known.kind == "text" && !node.is_string()) return "a text in quotes";
  if (known.kind == "boundary") {
    const auto text = node.value<std::string>();
    if (text != "components" && text != "node") return "\"components\" or \"node\"";
  }
  return {};
}

std::string written(const toml::node& node) {
  if (const auto number = node.value_exact<double>()) {
    std::array<char, 32> text;  // the shortest that reads back the same: 1.1, not 1.1000000000000001
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), *number).ptr};
  }
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  return out.str();
}

Result<void> collect(const toml::table& table, const std::string& prefix, const std::string& file,
                     std::vector<Setting>& into) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string{name.str()};
    if (const toml::table* inner = node.as_table()) {
      CHECK(collect(*inner, key + ".", file, into));
      continue;
    }
    const KnownKey* known = find_known(key);
    if (!known)
      return fail(Errc::misuse, place(file, node) + ": no setting '" + key + "' (everywatt config --keys lists them)");
    if (const std::string expected = misfit(*known, node); !expected.empty()) {
      return fail(Errc::misuse, place(file, node) + ": " + key + " = " + written(node) + ", expected " + expected);
    }
    into.push_back({key, written(node), file});
  }
  return {};
}

// None where the parser itself gives up.
std::optional<toml::parse_result> parse_toml(std::string_view text, std::string_view file) {
  try {
    return toml::parse(text, file);
  } catch (const BrokenTomlAssertion&) {
    return std::nullopt;
  }
}

std::size_t first_line_that_breaks(std::string_view text) {
  std::size_t line = 1;
  for (auto end = text.find('\n'); end != text.npos && parse_toml(text.substr(0, end), ""); ++line) {
    end = text.find('\n', end + 1);
  }
  return line;
}

}  // namespace

const std::vector<KnownKey>& known_keys() {
  static const std::vector<KnownKey> kKeys = {
      {"site.zone", "text", "where the machine stands: ISO3, ISO2 or a provider's region (no effect yet)"},
      {"site.pue", "ratio", "power usage effectiveness of the building, annual (ISO/IEC 30134-2)"},
      {"site.wue", "number", "water usage effectiveness, litres per kWh (ISO/IEC 30134-9) (no effect yet)"},
      {"site.psu_efficiency", "fraction", "of the power supplies: components / efficiency = wall"},
      {"site.node_overhead_watts", "number", "board, fans and disks of a node, watts"},
      {"site.boundary", "boundary", "what the sums count: components, or node where there is a node meter"},
      {"retention.series_days", "number", "days that series are kept after a run's end; entries stay (all)"},
      {"rates.*", "any", "prices, for the cost of a run (no effect yet)"},
      {"embodied.*", "any", "carbon of making the hardware (no effect yet)"},
      {"intensity.*", "any", "carbon intensity of the grid (no effect yet)"},
      {"gate.*", "any", "rules of the gate (no effect yet)"},
      {"export.mlflow.tracking_uri", "text", "MLflow's server, to which runs are delivered while they last"},
      {"export.mlflow.from_environment", "switch", "true: the same, to the server that MLFLOW_TRACKING_URI names"},
      {"export.mlflow.experiment", "text", "MLflow's experiment (Default)"},
      {"export.mlflow.run_name", "text", "name of the run there (the run's own)"},
      {"export.mlflow.interval_seconds", "interval", "seconds between two points (10)"},
      {"export.*", "any", "other places where runs are sent (no effect yet)"},
  };
  return kKeys;
}

Result<std::vector<Setting>> parse_settings(const std::string& text, const std::string& file) {
  const auto parsed = parse_toml(text, file);
  if (!parsed) {
    return fail(Errc::misuse, file + ":" + std::to_string(first_line_that_breaks(text)) + ": no TOML");
  }
  if (!*parsed) {
    const toml::parse_error& error = parsed->error();
    return fail(Errc::misuse,
                file + ":" + std::to_string(error.source().begin.line) + ": " + std::string{error.description()});
  }
  std::vector<Setting> settings;
  CHECK(collect(parsed->table(), "", file, settings));
  return settings;
}

}  // namespace everywatt
