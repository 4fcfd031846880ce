#include "cli/config.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace everywatt {
namespace {

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

}  // namespace

Result<Config> Config::parse(const std::string& text, const std::string& file) {
  Config config;
  TRY(config.settings_, parse_settings(text, file));
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

Boundary Config::boundary() const { return text("site.boundary") == "node" ? Boundary::node : Boundary::components; }

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
