#include "cli/config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

// toml++ 3.3 breaks assertions of its own on some texts that are no TOML ("[=").
struct BrokenTomlAssertion {};
#define TOML_ASSERT(condition)                     \
  do {                                             \
    if (!(condition)) throw BrokenTomlAssertion{}; \
  } while (false)
#define TOML_EXCEPTIONS 0   // errors come back as values …
#define TOML_HEADER_ONLY 1  // … which Debian's compiled library was not built for
#include <toml++/toml.h>

#include "base/file.h"

namespace everywatt {
namespace {

const KnownKey* find_known(const std::string& key) {
  const auto matches = [&](const KnownKey& known) {
    if (known.key.ends_with(".*")) return key.starts_with(known.key.substr(0, known.key.size() - 1));
    return known.key == key;
  };
  const auto& keys = known_keys();
  const auto found = std::ranges::find_if(keys, matches);
  return found == keys.end() ? nullptr : &*found;
}

std::string place(const std::string& file, const toml::node& node) {
  return file + ":" + std::to_string(node.source().begin.line);
}

// Empty: the value fits.
std::string misfit(const KnownKey& known, const toml::node& node) {
  const auto number = node.value<double>();
  const bool is_number = node.is_number() && number;
  if (known.kind == "number" && !(is_number && *number >= 0)) return "a number from 0";
  if (known.kind == "ratio" && !(is_number && *number >= 1)) return "a number from 1";
  if (known.kind == "fraction" && !(is_number && *number > 0 && *number <= 1)) return "a number above 0 and up to 1";
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

std::vector<std::filesystem::path> candidates() {
  if (const char* only = std::getenv("EVERYWATT_CONFIG"); only && *only) return {only};
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (auto folder = std::filesystem::current_path(error); !folder.empty(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "everywatt.toml", error)) {
      files.push_back(folder / "everywatt.toml");
      break;
    }
    if (folder == folder.parent_path()) break;
  }
  const char* xdg = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  if (xdg && *xdg) {
    files.emplace_back(std::filesystem::path{xdg} / "everywatt/everywatt.toml");
  } else if (home && *home) {
    files.emplace_back(std::filesystem::path{home} / ".config/everywatt/everywatt.toml");
  }
  files.emplace_back("/etc/everywatt/everywatt.toml");
  return files;
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
      {"site.zone", "text", "where the machine stands: ISO3, ISO2 or a provider's region"},
      {"site.pue", "ratio", "power usage effectiveness of the building, annual (ISO/IEC 30134-2)"},
      {"site.wue", "number", "water usage effectiveness, litres per kWh (ISO/IEC 30134-9)"},
      {"site.psu_efficiency", "fraction", "of the power supplies: components / efficiency = wall"},
      {"site.node_overhead_watts", "number", "board, fans and disks of a node, watts"},
      {"site.boundary", "boundary", "what the sums count: components, or node where there is a node meter"},
      {"retention.series_days", "number", "days that series are kept after a run's end; entries stay (all)"},
      {"rates.*", "any", "prices, for the cost of a run"},
      {"embodied.*", "any", "carbon of making the hardware"},
      {"intensity.*", "any", "carbon intensity of the grid"},
      {"gate.*", "any", "rules of the gate"},
      {"export.*", "any", "where runs are sent"},
  };
  return kKeys;
}

Result<Config> Config::parse(const std::string& text, const std::string& file) {
  const auto parsed = parse_toml(text, file);
  if (!parsed) {
    return fail(Errc::misuse, file + ":" + std::to_string(first_line_that_breaks(text)) + ": no TOML");
  }
  if (!*parsed) {
    const toml::parse_error& error = parsed->error();
    return fail(Errc::misuse,
                file + ":" + std::to_string(error.source().begin.line) + ": " + std::string{error.description()});
  }
  Config config;
  CHECK(collect(parsed->table(), "", file, config.settings_));
  config.files_.push_back(file);
  return config;
}

void Config::lay_under(Config lower) {
  for (Setting& setting : lower.settings_) {
    if (!text(setting.key)) settings_.push_back(std::move(setting));
  }
  std::ranges::move(lower.files_, std::back_inserter(files_));
}

Result<Config> Config::load() {
  Config config;
  const bool only = std::getenv("EVERYWATT_CONFIG") != nullptr;
  for (const auto& path : candidates()) {
    const auto text = read_text(path);
    if (!text && text.error().code == Errc::absent && !only) continue;
    if (!text) return fail(Errc::misuse, "configuration: " + text.error().what);
    TRY(Config file, parse(*text, path.string()));
    config.lay_under(std::move(file));
  }
  std::ranges::sort(config.settings_, {}, &Setting::key);
  return config;
}

std::optional<std::string> Config::text(const std::string& key) const {
  const auto found = std::ranges::find(settings_, key, &Setting::key);
  if (found == settings_.end()) return std::nullopt;
  const std::string& value = found->value;
  const bool is_quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'');
  return is_quoted ? value.substr(1, value.size() - 2) : value;
}

Site Config::site() const {
  Site site{.pue = number("site.pue"), .psu_efficiency = number("site.psu_efficiency")};
  if (const auto watts = number("site.node_overhead_watts")) site.node_overhead = *watts * watt;
  return site;
}

std::optional<double> Config::number(const std::string& key) const {
  const auto value = text(key);
  return value ? std::optional{std::strtod(value->c_str(), nullptr)} : std::nullopt;
}

}  // namespace everywatt
