// What the drivers of /sys/class/hwmon offer to measure power and energy with,
// before anyone asks what it is that they measure.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/device.h"

namespace everywatt::hwmon {

// One hwmonN. Older drivers keep their files one folder below.
struct Chip {
  std::string directory;       // hwmon3
  std::filesystem::path path;  // where the files are
  std::string name;            // power_meter, ina3221, …
};

// One quantity of a chip: power1, energy2, or voltage × current (in1 and curr1).
struct Meter {
  ChannelKind kind = ChannelKind::power;
  std::string attribute;                     // power1
  std::string label = {};                    // "Grace Power Socket 0", VDD_IN; empty: none
  std::vector<std::filesystem::path> files;  // one, or voltage and current, whose product it is
  Nanoseconds window = 0;
  double error = 0;  // relative standard uncertainty
};

// In the order of their numbers.
std::vector<Chip> find_chips(const std::filesystem::path& hwmon);
// Power and energy meters; where a chip has none, its pairs of voltage and current.
std::vector<Meter> find_meters(const Chip& chip);

bool is_gpu(const Chip& chip);
bool is_power_supply(const Chip& chip);
bool is_battery(const Chip& chip, const Meter& meter);
bool is_switched_off(const Chip& chip, const Meter& meter);

// The number that ends a text of this beginning: 3 of "hwmon3".
std::optional<unsigned> number_after(std::string_view text, std::string_view prefix);

}  // namespace everywatt::hwmon
