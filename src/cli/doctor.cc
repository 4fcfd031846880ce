// everywatt doctor: which sensor measures what here, what is left out and why,
// and what would make it better.

#include <algorithm>
#include <iterator>

#include "base/file.h"
#include "cli/command.h"
#include "cli/config.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/recording.h"
#include "cli/remedy.h"
#include "meter/calibration.h"
#include "meter/election.h"
#include "meter/sampler.h"
#include "report/diagnosis.h"
#include "sources/all_sources.h"

namespace everywatt {
namespace {

// For libraries that take their time.
constexpr Nanoseconds kPatience = 5 * kSecond;

std::string_view state_name(SourceState::Kind kind) {
  switch (kind) {
    case SourceState::Kind::open:
      return "ok";
    case SourceState::Kind::absent:
      return "absent";
    case SourceState::Kind::denied:
      return "denied";
    case SourceState::Kind::broken:
      return "broken";
    case SourceState::Kind::starting:
      return "starting";
  }
  return "";
}

std::vector<Diagnosis::Elected> elected_rows(const Election& election,
                                             const std::vector<const Inventory*>& inventories) {
  std::vector<Diagnosis::Elected> rows;
  for (const Elected& elected : election.devices) {
    const auto channel = [&](ChannelPlace place) { return inventories[place.source]->channels[place.channel]; };
    Diagnosis::Elected row{.device = elected.device, .counted = elected.counted, .reason = elected.reason};
    if (!elected.candidates.empty()) row.channel = channel(elected.candidates.front());
    for (std::size_t i = 1; i < elected.candidates.size(); ++i)
      row.others.push_back(channel(elected.candidates[i]).sensor);
    for (const Inventory* inventory : inventories) {
      std::ranges::copy_if(inventory->quantities, std::back_inserter(row.quantities),
                           [&](const QuantityChannel& quantity) { return quantity.device == elected.device.id; });
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> advice_for(const Diagnosis& diagnosis) {
  std::vector<std::string> advice;
  const bool modelled = std::ranges::any_of(diagnosis.devices, [](const auto& d) {
    return d.counted && d.channel.kind == ChannelKind::model && d.device.kind == DeviceKind::package;
  });
  for (const auto& source : diagnosis.sources) {
    if (source.state == "denied" || source.state == "broken" || source.state == "starting")
      advice.push_back(source.name + ": " + source.why);
  }
  if (modelled && advice.empty()) {
    advice.push_back(
        "no processor sensor is offered here (usual on virtual machines): its energy is modelled; a bare-metal "
        "machine, or the provider's own power figures through everywatt import power-csv, would be measured");
  }
  return advice;
}

Diagnosis diagnose(Context& context, Boundary boundary) {
  Sampler sampler{all_sources(), context.roots};
  sampler.wait_for_arrivals(kPatience);
  Diagnosis diagnosis;
  const auto environment = environment_of(context.roots);
  const auto fact = [&](const char* key) {
    const auto found = environment.find(key);
    return found == environment.end() ? std::string{} : found->second;
  };
  diagnosis.host = fact("host");
  diagnosis.cpu = fact("cpu");
  if (const auto place = default_store_place()) diagnosis.store = place->path.string();
  for (const SourceState& state : sampler.states()) {
    diagnosis.sources.push_back({state.name, state.help, std::string{state_name(state.kind)}, state.why});
    if (state.kind == SourceState::Kind::starting)
      diagnosis.sources.back().why = state.missing.empty()
                                         ? "its library has not started within 5 s: runs go on without it"
                                         : "no device of it has answered within 5 s: runs go on without it";
    for (const SourceState::Missing& missing : state.missing)
      diagnosis.excluded.push_back({state.name + ": " + missing.device,
                                    missing.refusal.empty() ? "it has not answered within 5 s" : missing.refusal});
  }
  const auto inventories = sampler.inventories();
  const Election election = elect(inventories, boundary);
  diagnosis.devices = elected_rows(election, inventories);
  for (const Excluded& excluded : election.excluded) diagnosis.excluded.push_back({excluded.what, excluded.why});
  diagnosis.advice = advice_for(diagnosis);
  return diagnosis;
}

void add_calibrations(Context& context, Diagnosis& diagnosis) {
  auto store = open_ledger(context, Create::no);
  if (!store) return;
  const auto calibrations = (*store)->calibrations(ledger_host(diagnosis.host, context.roots));
  if (!calibrations) return;
  for (Diagnosis::Elected& row : diagnosis.devices) {
    row.calibration = calibration_for(row.channel, *calibrations);
    if (row.calibration) calibrate(row.channel, *row.calibration);
  }
}

void add_floors(Context& context, Diagnosis& diagnosis) {
  auto store = open_ledger(context, Create::no);
  if (!store) return;
  const auto floors = (*store)->floors(ledger_host(diagnosis.host, context.roots));
  if (!floors) return;
  for (const LearntFloor& floor : *floors) {
    const auto row = std::ranges::find(diagnosis.devices, floor.device, [](const auto& d) { return d.device.id; });
    if (row == diagnosis.devices.end()) continue;
    row->floor_watts = floor.watts;
    row->floor_method = floor.method;
  }
}

// Sensors need time to be compared: what the last runs of this host found, each device's newest first.
void add_checks(Context& context, Diagnosis& diagnosis) {
  constexpr std::size_t kRunsLookedAt = 10;
  auto store = open_ledger(context, Create::no);
  if (!store) return;
  const auto runs = (*store)->list({.limit = kRunsLookedAt});
  if (!runs) return;
  for (const RunSummary& run : *runs) {
    const auto record = (*store)->read(run.id);
    if (!record || (!record->run.host.empty() && record->run.host != diagnosis.host)) continue;
    for (const DeviceRecord& device : record->devices) {
      const auto row =
          std::ranges::find(diagnosis.devices, device.device.id, [](const auto& d) { return d.device.id; });
      if (row == diagnosis.devices.end() || !row->last_sensor.empty() || device.sensor.empty()) continue;
      if (device.sensor == row->channel.sensor && device.checks.empty()) continue;
      row->last_sensor = device.sensor;
      row->checks = device.checks;
    }
  }
}

}  // namespace

Result<int> doctor_command(Context& context, Args args) {
  bool json = false;
  bool fix = false;
  std::string group = "everywatt";
  std::string rules = "/etc/udev/rules.d";
  Flags flags{
      "doctor", "[--json] [--fix [--group G]]",
      "Says which sensor measures what on this machine, what is left out and why, and what would make it better. "
      "--fix, as root, lets a group read the processors' energy counters (root-only since Linux 5.10, "
      "CVE-2020-8694): it shows the udev rule, writes it, and applies it at once."};
  flags.flag("--json", json, "as JSON (schema everywatt.doctor/1)");
  flags.flag("--fix", fix, "install the rule");
  flags.option("--group G", group, "the group that may read (everywatt)");
  flags.option("--rules DIR", rules, "the folder of udev rules (/etc/udev/rules.d)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (fix) return install_remedy(context, {.group = group, .rules = rules});
  TRY(const Config config, Config::load());
  Diagnosis diagnosis = diagnose(context, config.boundary());
  add_calibrations(context, diagnosis);
  add_floors(context, diagnosis);
  add_checks(context, diagnosis);
  context.out << (json ? diagnosis_json(diagnosis) : diagnosis_text(diagnosis, context.out_style));
  return 0;
}

}  // namespace everywatt
