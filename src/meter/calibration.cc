#include "meter/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace everywatt {
namespace {

// What the names of sensors begin with that show one circuit. A GPU's shunts and what converts them are one for its
// counter and its power: boards differ from each other in them, in a straight line, whichever register is read (Yang,
// Adamek, Armour, SC'24). hwmon's chips are circuits of their own.
constexpr std::array<std::string_view, 2> kOneCircuit = {"nvml-", "rapl-"};

bool share_circuit(std::string_view a, std::string_view b) {
  return std::ranges::any_of(kOneCircuit, [&](auto family) { return a.starts_with(family) && b.starts_with(family); });
}

}  // namespace

std::optional<Calibration> calibration_for(const Channel& channel, std::span<const Calibration> calibrations) {
  if (channel.kind == ChannelKind::model) return std::nullopt;
  std::optional<Calibration> best;
  for (const Calibration& one : calibrations) {
    if (one.device != channel.device) continue;
    if (one.sensor == channel.sensor) return one;
    if (share_circuit(one.sensor, channel.sensor) && (!best || one.made_wall > best->made_wall)) best = one;
  }
  return best;
}

void calibrate(Channel& channel, const Calibration& calibration) {
  // In millionths, so that it stays exact.
  constexpr std::uint64_t kParts = 1'000'000;
  channel.scale.numerator = static_cast<std::uint64_t>(
      std::llround(static_cast<double>(channel.scale.numerator) * calibration.gain * static_cast<double>(kParts)));
  channel.scale.denominator *= kParts;
  channel.offset = calibration.offset_watts * watt;
  if (calibration.sensor == channel.sensor) channel.systematic = calibration.relative_uncertainty;
}

}  // namespace everywatt
