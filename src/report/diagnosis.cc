#include "report/diagnosis.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "report/calibrations.h"
#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

constexpr double kAgreement = 0.05;

std::string painted(const Diagnosis::Source& source, const Style& style) {
  const std::string state = pad_right(source.state, 8);
  if (source.state == "ok") return style.good(state);
  return source.state == "absent" ? style.faint(state) : style.warning(state);
}

std::string in_words(std::string_view name) {
  std::string text{name};
  std::ranges::replace(text, '_', ' ');
  return text;
}

std::string how(const Diagnosis::Elected& elected) {
  if (!elected.reason.empty()) return "nothing: " + elected.reason;
  std::string text = elected.channel.sensor + ", " + std::string{to_string(elected.channel.method)};
  // Two standard deviations, as on the bill.
  if (elected.channel.systematic > 0) text += ", ± " + show_percent(2 * elected.channel.systematic);
  return text;
}

// Of thirty quantities a person reads half a dozen words.
std::string group_of(std::string_view quantity) {
  if (quantity.ends_with("_clock") || quantity == "performance_state") return "clocks";
  if (quantity.ends_with("temperature")) return "temperatures";
  if (quantity.starts_with("held_back_")) return "what holds them back";
  if (quantity.starts_with("pcie_")) return "PCIe bytes";
  if (quantity.starts_with("nvlink_")) return "NVLink bytes";
  if (quantity == "memory_utilisation") return "memory utilisation";  // not GPM's
  if (quantity.ends_with("_utilisation") || quantity.ends_with("_occupancy")) return "use of its parts";
  if (quantity == "memory_read" || quantity == "memory_written" || quantity == "memory_traffic")
    return "memory traffic";
  if (quantity == "memory_bandwidth_peak") return "its memory's peak";
  return in_words(quantity);
}

void add_once(std::vector<std::string>& to, std::string word) {
  if (std::ranges::find(to, word) == to.end()) to.push_back(std::move(word));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// What can be read by its group; what cannot by its group too, where all of that is missing.
std::string fares(const std::vector<QuantityChannel>& quantities) {
  std::vector<std::string> read;
  std::map<std::string, std::vector<std::string>> missing;  // by reason
  for (const QuantityChannel& quantity : quantities) {
    const bool is_sampled = quantity.kind == QuantityKind::state;
    if (!quantity.missing) add_once(read, group_of(quantity.name) + (is_sampled ? " (sampled)" : ""));
  }
  for (const QuantityChannel& quantity : quantities) {
    if (!quantity.missing) continue;
    const std::string group = group_of(quantity.name);
    const bool is_partly_read = std::ranges::any_of(
        quantities, [&](const QuantityChannel& other) { return !other.missing && group_of(other.name) == group; });
    add_once(missing[*quantity.missing], is_partly_read ? in_words(quantity.name) : group);
  }
  std::string text = read.empty() ? "" : "also tells " + joined(read);
  for (const auto& [reason, names] : missing)
    text += (text.empty() ? "" : "; ") + ("without " + joined(names)) + " (" + reason + ")";
  return text;
}

std::string corrected(const Diagnosis::Elected& elected) {
  const auto& by = elected.calibration;
  if (!by) return "";
  return by->sensor == elected.channel.sensor ? in_words(*by) : "as " + by->sensor + " was " + in_words(*by);
}

// Another was elected then.
std::string replaced(const Diagnosis::Elected& elected) {
  std::string text = "in the last run " + elected.last_sensor + " was believed in its place";
  const auto check = std::ranges::find(elected.checks, elected.channel.sensor, &CrossCheck::sensor);
  if (check == elected.checks.end()) return text;
  return text + ": it was " + show_percent(std::abs(check->ratio - 1)) + (check->ratio < 1 ? " lower" : " higher");
}

std::string compared(const Diagnosis::Elected& elected) {
  if (!elected.last_sensor.empty() && elected.last_sensor != elected.channel.sensor) return replaced(elected);
  std::string text;
  for (const CrossCheck& check : elected.checks) {
    const double off = std::abs(check.ratio - 1);
    text += (text.empty() ? "in the last run it " : ", ") +
            std::string{off <= kAgreement ? "agreed with " : "differed from "} + check.sensor +
            (off <= kAgreement ? " within " : " by ") + show_percent(off);
  }
  return text;
}

// What earlier runs know of it.
std::string known(const Diagnosis::Elected& elected) {
  std::string text = compared(elected);
  if (elected.floor_watts)
    text += (text.empty() ? "" : "; ") + std::string{"draws "} + show_watts(*elected.floor_watts) +
            " when nobody works (" + elected.floor_method + ")";
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
    const bool is_beside = !elected.counted && elected.reason.empty();
    const std::string line = "  " + pad_right(fit_middle(elected.device.id, 21), 22) + how(elected) +
                             (is_beside ? "  (listed, not added)" : "");
    out += (elected.counted ? line : style.faint(line)) + "\n";
    if (!elected.channel.provenance.empty()) out += paragraph(24, "", elected.channel.provenance);
    if (const std::string text = corrected(elected); !text.empty()) out += paragraph(24, "", text);
    if (const std::string text = known(elected); !text.empty()) out += paragraph(24, "", text);
    if (!elected.quantities.empty()) out += paragraph(24, "", fares(elected.quantities));
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
  const auto quantities_of = [](const Diagnosis::Elected& elected) {
    Json read = Json::array(), reasons = Json::object();
    for (const QuantityChannel& quantity : elected.quantities) {
      const std::string key = quantity_key(quantity.name, quantity.unit);
      if (quantity.missing) {
        reasons[key] = *quantity.missing;
      } else {
        read.push_back(key);
      }
    }
    return std::pair{read, reasons};
  };
  const auto checks_of = [](const Diagnosis::Elected& elected) {
    Json checks = Json::array();
    for (const CrossCheck& check : elected.checks) {
      checks.push_back(
          {{"sensor", check.sensor}, {"ratio", check.ratio}, {"over_seconds", static_cast<double>(check.over) / 1e9}});
    }
    return checks;
  };
  for (const auto& elected : diagnosis.devices) {
    const Channel& channel = elected.channel;
    const bool has_none = !elected.reason.empty();
    const auto [quantities, quantity_reasons] = quantities_of(elected);
    devices.push_back({{"id", elected.device.id},
                       {"kind", to_string(elected.device.kind)},
                       {"model", elected.device.model},
                       {"parent", elected.device.parent ? Json(*elected.device.parent) : Json(nullptr)},
                       {"counted", elected.counted},
                       {"sensor", has_none ? Json(nullptr) : Json(channel.sensor)},
                       {"method", has_none ? Json(nullptr) : Json(to_string(channel.method))},
                       {"reason", has_none ? Json(elected.reason) : Json(nullptr)},
                       {"detail", channel.detail},
                       {"update_period_seconds", static_cast<double>(channel.period) / 1e9},
                       {"window_seconds", static_cast<double>(channel.window) / 1e9},
                       {"systematic_uncertainty", channel.systematic},
                       {"calibration", elected.calibration ? calibration_json(*elected.calibration) : Json(nullptr)},
                       {"provenance", channel.provenance.empty() ? Json(nullptr) : Json(channel.provenance)},
                       {"others", elected.others},
                       {"floor_watts", elected.floor_watts ? Json(*elected.floor_watts) : Json(nullptr)},
                       {"floor_method", elected.floor_method.empty() ? Json(nullptr) : Json(elected.floor_method)},
                       {"last_run_sensor", elected.last_sensor.empty() ? Json(nullptr) : Json(elected.last_sensor)},
                       {"cross_checks", checks_of(elected)},
                       {"quantities", quantities},
                       {"quantity_reasons", quantity_reasons}});
  }
  Json excluded = Json::array();
  for (const auto& row : diagnosis.excluded) excluded.push_back({{"what", row.what}, {"why", row.why}});
  const Json out{{"schema", "everywatt.doctor/1"}, {"host", diagnosis.host},    {"cpu", diagnosis.cpu},
                 {"store", diagnosis.store},       {"sources", sources},        {"devices", devices},
                 {"excluded", excluded},           {"advice", diagnosis.advice}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace everywatt
