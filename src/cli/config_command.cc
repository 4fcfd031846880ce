// everywatt config: which settings hold, and where each stands.
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/config.h"
#include "cli/flags.h"
#include "report/format.h"

namespace everywatt {
namespace {

std::string keys_text(const Style& style) {
  std::string out;
  for (const KnownKey& key : known_keys()) out += pad_right(key.key, 32) + style.faint(key.help) + "\n";
  return out;
}

std::string settings_json(const Config& config) {
  using Json = nlohmann::ordered_json;
  Json settings = Json::array();
  for (const Setting& setting : config.settings()) {
    settings.push_back({{"key", setting.key}, {"value", setting.value}, {"file", setting.file}});
  }
  const Json out{{"schema", "everywatt.config/1"}, {"files", config.files()}, {"settings", settings}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string settings_text(const Config& config, const Style& style) {
  if (config.files().empty())
    return "no everywatt.toml here, above, in the user's configuration or in /etc/everywatt\n";
  std::string out;
  for (const Setting& setting : config.settings()) {
    out += pad_right(setting.key, 28) + pad_right(setting.value, 16) + " " + style.faint(setting.file) + "\n";
  }
  return out.empty() ? "nothing is set in " + config.files().front() + "\n" : out;
}

}  // namespace

Result<int> config_command(Context& context, Args args) {
  bool json = false;
  bool keys = false;
  Flags flags{
      "config", "[--keys] [--json]",
      "Shows the settings that hold here and the file each stands in. Files, the strongest first: the nearest "
      "everywatt.toml upward from here, $XDG_CONFIG_HOME/everywatt/everywatt.toml, /etc/everywatt/everywatt.toml; "
      "EVERYWATT_CONFIG names one in place of them."};
  flags.flag("--keys", keys, "what may be set");
  flags.flag("--json", json, "as JSON (schema everywatt.config/1)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (keys) {
    context.out << keys_text(context.out_style);
    return 0;
  }
  TRY(const Config config, Config::load());
  context.out << (json ? settings_json(config) : settings_text(config, context.out_style));
  return 0;
}

}  // namespace everywatt
