#include "report/diagnosis.h"

#include <nlohmann/json.hpp>

#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

std::string painted(const Diagnosis::Source& source, const Style& style) {
  const std::string state = pad_right(source.state, 8);
  if (source.state == "ok") return style.good(state);
  return source.state == "absent" ? style.faint(state) : style.warning(state);
}

std::string how(const Diagnosis::Elected& elected) {
  std::string text = elected.channel.sensor + ", " + std::string{to_string(elected.channel.method)};
  // Two standard deviations, as on the bill.
  if (elected.channel.systematic > 0) text += ", ± " + show_percent(2 * elected.channel.systematic);
  return text;
}

}  // namespace

std::string diagnosis_text(const Diagnosis& diagnosis, const Style& style) {
  std::string out = style.strong(diagnosis.host) + "  " + diagnosis.cpu + "\n\n" + style.faint("  sensors") + "\n";
  for (const auto& source : diagnosis.sources) {
    out += "  " + painted(source, style) + pad_right(source.name, 16) + source.help + "\n";
  }
  out += "\n" + style.faint("  device                measured by") + "\n";
  for (const auto& elected : diagnosis.devices) {
    const std::string line = "  " + pad_right(fit_middle(elected.device.id, 21), 22) + how(elected) +
                             (elected.counted ? "" : "  (listed, not added)");
    out += (elected.counted ? line : style.faint(line)) + "\n";
    if (!elected.channel.provenance.empty()) out += paragraph(24, "", elected.channel.provenance);
  }
  if (!diagnosis.excluded.empty()) out += "\n" + style.faint("  left out") + "\n";
  for (const auto& excluded : diagnosis.excluded) {
    out += paragraph(24, excluded.what, excluded.why);
  }
  if (!diagnosis.advice.empty()) out += "\n";
  for (const std::string& advice : diagnosis.advice) out += paragraph(10, "advice", advice);
  return out + "\n" + style.faint("  runs are kept in " + diagnosis.store) + "\n";
}

std::string diagnosis_json(const Diagnosis& diagnosis) {
  using Json = nlohmann::ordered_json;
  Json sources = Json::array();
  for (const auto& source : diagnosis.sources) {
    sources.push_back({{"name", source.name},
                       {"help", source.help},
                       {"state", source.state},
                       {"why", source.why.empty() ? Json(nullptr) : Json(source.why)}});
  }
  Json devices = Json::array();
  for (const auto& elected : diagnosis.devices) {
    const Channel& channel = elected.channel;
    devices.push_back({{"id", elected.device.id},
                       {"kind", to_string(elected.device.kind)},
                       {"model", elected.device.model},
                       {"parent", elected.device.parent ? Json(*elected.device.parent) : Json(nullptr)},
                       {"counted", elected.counted},
                       {"sensor", channel.sensor},
                       {"method", to_string(channel.method)},
                       {"detail", channel.detail},
                       {"update_period_seconds", static_cast<double>(channel.period) / 1e9},
                       {"window_seconds", static_cast<double>(channel.window) / 1e9},
                       {"systematic_uncertainty", channel.systematic},
                       {"provenance", channel.provenance.empty() ? Json(nullptr) : Json(channel.provenance)},
                       {"others", elected.others},
                       {"floor_watts", elected.floor_watts ? Json(*elected.floor_watts) : Json(nullptr)},
                       {"floor_method", elected.floor_method.empty() ? Json(nullptr) : Json(elected.floor_method)}});
  }
  Json excluded = Json::array();
  for (const auto& row : diagnosis.excluded) excluded.push_back({{"what", row.what}, {"why", row.why}});
  const Json out{{"schema", "everywatt.doctor/1"}, {"host", diagnosis.host},    {"cpu", diagnosis.cpu},
                 {"store", diagnosis.store},       {"sources", sources},        {"devices", devices},
                 {"excluded", excluded},           {"advice", diagnosis.advice}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace everywatt
