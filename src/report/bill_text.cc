#include "report/bill_text.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <map>
#include <set>
#include <vector>

#include "analysis/stragglers.h"
#include "model/gpu_name.h"
#include "model/work_name.h"
#include "report/bottleneck_text.h"
#include "report/compute_text.h"
#include "report/forecast_text.h"
#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

constexpr double kMuchIdle = 0.4;  // of the charge: worth a word
constexpr double kPoorCoverage = 0.98;
constexpr double kAgreement = 0.05;
constexpr double kMuchHeldBack = 0.01;  // of the time
constexpr std::size_t kMostGaps = 3;
constexpr std::size_t kMostPhases = 12;

std::string shown(const std::optional<MicroJoules>& energy) { return energy ? show_energy(*energy) : "—"; }

// The bill's own paragraphs all stand at one column.
std::string line(std::string_view label, std::string_view text) { return paragraph(14, label, text); }

std::string title(const Bill& bill, const Style& style) {
  const Run& run = bill.run;
  std::string how = std::string{to_string(run.status)};
  if (run.status == RunStatus::failed && run.exit_status)
    how += " (exit status " + std::to_string(*run.exit_status) + ")";
  if (run.ended_by) how += " by " + *run.ended_by;
  how += run.status == RunStatus::running || run.status == RunStatus::lost ? ", seen for " : " after ";
  how += show_duration(bill.duration);
  const std::string right = "run " + run.id;
  const std::size_t room = kPageWidth - columns(right) - columns(how) - 6;
  const std::string name = fit(run.name, std::max<std::size_t>(room, 8));
  const std::size_t blanks = kPageWidth - std::min(kPageWidth - 2, columns(name) + columns(how) + columns(right) + 4);
  return style.strong(name) + "  " + how + std::string(blanks + 2, ' ') + style.faint(right) + "\n";
}

std::string charge(const Bill& bill, const Style& style) {
  const EnergyFigures& energy = bill.energy;
  if (!energy.total) return line("energy", "no figure: no device could be measured or modelled");
  std::string total = show_energy(*energy.total);
  if (energy.total_uncertainty) total += " ± " + show_energy(*energy.total_uncertainty);
  std::string out = "  " + pad_right("energy", 12) + style.strong(total) + "   " + show_kilowatt_hours(*energy.total);
  if (bill.duration > 0) {
    out += "   " + show_watts(static_cast<double>(*energy.total) / 1e6 / (static_cast<double>(bill.duration) / 1e9)) +
           " on average";
  }
  return out + "\n";
}

std::string to_come(const Bill& bill) {
  const auto told = forecast_of(bill);
  return told ? line("to come", forecast_text(*told)) : "";
}

std::string how_measured(const DeviceRecord& record) {
  if (!record.method) return "no figure";
  const bool has_sensor = *record.method == Method::counter || *record.method == Method::integrated;
  return has_sensor ? record.sensor : std::string{to_string(*record.method)};
}

std::string device_line(const DeviceBill& device, const Style& style) {
  const DeviceRecord& record = device.record;
  const std::string name = fit_middle(record.device.id, 22);
  const std::string figures = pad_left(shown(record.counted ? device.energy.total : device.energy.measured), 10) +
                              pad_left(shown(device.energy.busy), 10) + pad_left(shown(device.energy.idle), 10) +
                              pad_left(shown(device.energy.other), 10);
  const std::string how = fit(how_measured(record), kPageWidth - 68);
  std::string row = "  " + pad_right(name, 22) + figures + "   " + how;
  return (record.counted ? row : style.faint(row)) + "\n";
}

std::string device_table(const Bill& bill, const Style& style) {
  if (bill.devices.empty()) return "";
  constexpr std::size_t kMostDevices = 24;
  std::string out = "\n" +
                    style.faint("  " + pad_right("device", 22) + pad_left("charged", 10) + pad_left("busy", 10) +
                                pad_left("idle", 10) + pad_left("others'", 10) + "   how") +
                    "\n";
  std::vector<const DeviceBill*> beside;
  std::size_t shown_devices = 0;
  for (const DeviceBill& device : bill.devices) {
    if (!device.record.counted) {
      beside.push_back(&device);
    } else if (shown_devices++ < kMostDevices) {
      out += device_line(device, style);
    }
  }
  if (shown_devices > kMostDevices) {
    out += "  … and " + std::to_string(shown_devices - kMostDevices) + " more: everywatt show " + bill.run.id +
           " --json\n";
  }
  if (beside.empty()) return out;
  std::string list;
  for (const DeviceBill* device : beside) {
    list += (list.empty() ? "" : ", ") + device->record.device.id + " " + shown(device->energy.measured);
  }
  return out + line("not added", list + " (listed beside the sum, not in it)");
}

std::string phase_table(const Bill& bill, const Style& style) {
  if (bill.phases.size() < 2) return "";
  const bool has_mfu =
      std::ranges::any_of(bill.phases, [](const PhaseBill& phase) { return phase.compute && phase.compute->mfu; });
  std::string out = "\n" +
                    style.faint("  " + pad_right("phase", 34) + pad_left("times", 8) + pad_left("time", 14) +
                                pad_left("energy", 12) + (has_mfu ? pad_left("MFU", 8) : "")) +
                    "\n";
  std::size_t lines = 0;
  for (const PhaseBill& phase : bill.phases) {
    if (++lines > kMostPhases) break;
    const std::string path = phase.path.empty() ? "(outside any phase)" : phase.path;
    const MicroJoules energy = phase.path.empty() ? phase.self : phase.energy;
    out += "  " + pad_right(fit(path, 34), 34) + pad_left(std::to_string(phase.count), 8) +
           pad_left(show_duration(phase.duration), 14) + pad_left(show_energy(energy), 12) +
           (phase.compute && phase.compute->mfu ? pad_left(show_percent(*phase.compute->mfu), 8) : "") + "\n";
  }
  if (bill.phases.size() > kMostPhases)
    out += "  … and " + std::to_string(bill.phases.size() - kMostPhases) + " more\n";
  return out;
}

std::string names_of(const std::set<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string boundary(const Bill& bill) {
  std::set<std::string> in;
  for (const DeviceBill& device : bill.devices) {
    if (!device.record.counted || !device.energy.measured) continue;
    switch (device.record.device.kind) {
      case DeviceKind::package:
        in.insert("processors");
        break;
      case DeviceKind::dram:
      case DeviceKind::memory:
        in.insert("memory");
        break;
      case DeviceKind::gpu:
        in.insert("GPUs");
        break;
      case DeviceKind::module:
        in.insert("modules");
        break;
      case DeviceKind::node:
        in.insert("whole nodes");
        break;
      default:
        in.insert(std::string{to_string(device.record.device.kind)});
    }
  }
  if (in.empty()) return "";
  if (bill.run.boundary == "node") {
    return line("in it", names_of(in) + ", as their meters see them. Not in it: cooling and the building (PUE)");
  }
  return line("in it",
              names_of(in) + ". Not in it: board, fans, disks, network cards, power-supply losses, cooling (PUE)");
}

std::string facility(const Bill& bill) {
  if (!bill.facility) return "";
  std::string text = show_energy(bill.facility->energy) + " (" + bill.facility->boundary;
  if (bill.facility->pue) text += ", PUE " + show_ratio(*bill.facility->pue);
  return line("facility", text + ")");
}

std::string provenance(const Bill& bill) {
  if (!bill.measured_fraction) return "";
  const double measured = *bill.measured_fraction;
  if (measured >= 0.9995) return line("source", "all of it measured by sensors");
  if (measured < 0.0005) return line("source", "all of it modelled: no sensor of this machine could be read");
  return line("source", show_percent(measured) + " measured by sensors, " + show_percent(1 - measured) + " modelled");
}

// Sensors that were read beside those that supply the figures, each pair of families once.
std::string checks(const Bill& bill) {
  struct Agreement {
    double worst = 0;
    std::size_t devices = 0;
  };
  std::map<std::pair<std::string, std::string>, Agreement> pairs;
  for (const DeviceBill& device : bill.devices) {
    for (const CrossCheck& check : device.record.checks) {
      Agreement& pair = pairs[{device.record.sensor, check.sensor}];
      pair.worst = std::max(pair.worst, std::abs(check.ratio - 1));
      ++pair.devices;
    }
  }
  std::string text;
  for (const auto& [sensors, pair] : pairs) {
    text += (text.empty() ? "" : "; ") + sensors.first +
            (pair.worst <= kAgreement ? " agrees with " + sensors.second + " within "
                                      : " and " + sensors.second + " differ by up to ") +
            show_percent(pair.worst) + (pair.devices > 1 ? " on " + std::to_string(pair.devices) + " devices" : "");
  }
  return text.empty() ? "" : line("checked", text);
}

// What the job counted, and what one of each cost.
std::string work(const Bill& bill) {
  std::string text;
  for (const auto& [what, amount] : bill.run.work) {
    if (amount <= 0 || what.contains(kFlops)) continue;
    const bool is_bytes = what == "bytes";
    text += (text.empty() ? "" : "; ") +
            (is_bytes ? show_bytes(static_cast<std::uint64_t>(amount)) : show_count(amount) + " " + what);
    if (bill.energy.total && !is_bytes) {
      const double each = static_cast<double>(*bill.energy.total) / amount;
      text += " at " +
              (each >= 1 ? show_energy(static_cast<MicroJoules>(std::llround(each)))
                         : show_energy(static_cast<MicroJoules>(std::llround(each * 1e6))) + " a million") +
              (each >= 1 ? " each" : "");
    }
  }
  return text.empty() ? "" : line("work", text);
}

std::string compute(const Bill& bill) {
  const std::string text = compute_text(bill);
  return text.empty() ? "" : line("compute", text);
}

// Who kept the others waiting.
std::string late_ranks(const Bill& bill) {
  std::string out;
  for (const Straggler& rank : stragglers(bill.ranks)) {
    out += line(
        out.empty() ? "slow" : "",
        "rank " + std::to_string(rank.rank) + " is late in " + show_percent(rank.steps) + " of its steps" +
            (rank.behind > 0.05 ? ", " + show_percent(rank.behind) + " of a step behind the rank in the middle" : "") +
            ", and caused " + show_percent(rank.caused) +
            " of the energy that ranks spent waiting for each other: everywatt show " + bill.run.id + " --ranks");
  }
  return out;
}

std::string gaps(const Bill& bill, const Style& style) {
  std::string out;
  for (std::size_t i = 0; i < bill.gaps.size() && i < kMostGaps; ++i) {
    const Gap& gap = bill.gaps[i];
    out += style.warning(line("gap", gap.device + " for " + show_duration(gap.length) + ": " + gap.reason));
  }
  if (bill.gaps.size() > kMostGaps) {
    out += line("", "… and " + std::to_string(bill.gaps.size() - kMostGaps) + " gaps more: everywatt show " +
                        bill.run.id + " --json");
  }
  return out;
}

std::string nesting(const Bill& bill) {
  if (!bill.run.parent) return "";
  return line("part of", "run " + *bill.run.parent + ", whose bill holds this energy too: do not add them up");
}

// Share of the time in which a GPU's clocks were held back by the strongest of some causes.
double held_back(const DeviceRecord& record, std::initializer_list<std::string_view> causes) {
  double most = 0;
  for (const QuantityRecord& quantity : record.quantities) {
    if (std::ranges::find(causes, quantity.name) == causes.end() || !quantity.total || quantity.observed == 0) continue;
    most = std::max(most, *quantity.total / (static_cast<double>(quantity.observed) / 1e9));
  }
  return std::min(most, 1.0);
}

// One line for each GPU that the run paid for and whose clocks its power cap or heat held back.
std::string clocks(const Bill& bill) {
  std::string out;
  for (const DeviceBill& device : bill.devices) {
    if (device.energy.total.value_or(0) <= 0) continue;
    const double by_cap = held_back(device.record, {"held_back_power_cap"});
    const double by_heat =
        held_back(device.record, {"held_back_thermal", "held_back_software_thermal", "held_back_hardware_thermal"});
    const bool capped = by_cap >= kMuchHeldBack, hot = by_heat >= kMuchHeldBack;
    if (!capped && !hot) continue;
    std::string what = " held back ";
    if (capped && hot) {
      what += show_percent(by_cap) + " by its power cap, " + show_percent(by_heat) + " by heat";
    } else {
      what += show_percent(capped ? by_cap : by_heat) + " of the time by " + (capped ? "its power cap" : "heat");
    }
    out += line("clocks", fit_middle(device.record.device.id, kPageWidth - 14 - columns(what)) + what);
  }
  return out;
}

// Of a GPU nothing is known, or nothing but what it draws together with processors: what these did says little of the
// run.
bool lacks_a_gpu(const Bill& bill) {
  return std::ranges::any_of(bill.devices, [](const DeviceBill& device) {
    const bool is_mute = device.record.device.kind == DeviceKind::gpu && !device.energy.measured;
    return device.record.counted && (is_mute || is_gpu_module(device.record.device));
  });
}

// What a reader of figures has to know of a flag; empty: nothing.
std::string in_words(std::string_view flag) {
  constexpr std::string_view kAliasing = "aliasing:";
  if (flag.starts_with(kAliasing))
    return "its sensor sees a part of the time only and the load repeats in step with it: the figure can be off by " +
           std::string{flag.substr(kAliasing.size())};
  if (flag == "mig:by-share")
    return "how much its slices worked is not told: it is divided by their size, which is a model";
  return {};
}

std::string advice(const Bill& bill) {
  std::string out;
  const EnergyFigures& energy = bill.energy;
  if (!lacks_a_gpu(bill) && energy.total && energy.idle && *energy.total > 0 && bill.duration > kSecond) {
    const double idle = static_cast<double>(*energy.idle) / static_cast<double>(*energy.total);
    if (idle > kMuchIdle) {
      out += line("advice", show_percent(idle) + " of the charge is idle draw of what the run kept reserved (" +
                                show_energy(*energy.idle) + " of " + show_energy(*energy.total) +
                                "): share the machine, or reserve less of it");
    }
  }
  for (const DeviceBill& device : bill.devices) {
    if (!device.record.counted || !device.record.method || device.coverage >= kPoorCoverage || bill.duration < kSecond)
      continue;
    out += line("coverage",
                device.record.device.id + " was observed for " + show_percent(device.coverage) + " of the time");
  }
  for (const DeviceBill& device : bill.devices) {
    if (device.record.counted && device.record.reason)
      out += line("note", device.record.device.id + ": " + *device.record.reason);
  }
  for (const DeviceBill& device : bill.devices) {
    for (const std::string& flag : device.record.flags) {
      if (const std::string words = in_words(flag); !words.empty())
        out += line("note", device.record.device.id + ": " + words);
    }
  }
  for (const std::string& notice : bill.run.notices) out += line("note", notice);
  return out;
}

}  // namespace

std::string kept_text(const std::string& place, const std::string& run, const Style& style) {
  return style.faint(line("kept in", place + " (everywatt show " + run + ")"));
}

std::string bill_text(const Bill& bill, const Style& style) {
  return title(bill, style) + charge(bill, style) + to_come(bill) + work(bill) + compute(bill) + late_ranks(bill) +
         provenance(bill) + checks(bill) + boundary(bill) + facility(bill) + nesting(bill) + device_table(bill, style) +
         phase_table(bill, style) + bottleneck_lines(bill) + gaps(bill, style) + clocks(bill) + advice(bill);
}

std::string ranks_text(const Bill& bill, const Style& style) {
  if (bill.ranks.empty())
    return "run " + bill.run.id + " has no ranks: fewer than two of its processes marked steps (everywatt_step)\n";
  std::string out =
      style.faint("  " + pad_left("rank", 6) + pad_left("a step", 12) + pad_left("working", 12) +
                  pad_left("waiting", 12) + pad_left("charged", 12) + pad_left("waited", 12) + pad_left("caused", 12)) +
      "\n";
  for (const RankRecord& rank : bill.ranks) {
    const auto steps = static_cast<Nanoseconds>(std::max<std::uint64_t>(rank.steps, 1));
    out += "  " + pad_left(std::to_string(rank.rank), 6) + pad_left(show_duration(rank.duration / steps), 12) +
           pad_left(show_duration((rank.duration - rank.waited) / steps), 12) +
           pad_left(show_duration(rank.waited / steps), 12) + pad_left(show_energy(rank.energy), 12) +
           pad_left(show_energy(rank.energy_waited), 12) + pad_left(show_energy(rank.energy_caused), 12) + "\n";
  }
  return out +
         line("", "over " + show_count(static_cast<double>(bill.ranks.front().steps)) +
                      " steps that all of them made. Waited: drawn by a rank while it waited for others, beyond what "
                      "every rank waits; "
                      "caused: by others while they waited for it. Both sum to the same.") +
         late_ranks(bill);
}

}  // namespace everywatt
