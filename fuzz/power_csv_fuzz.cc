// Tables of power. The first byte chooses options, the rest is the table.
// Whatever the text, curves span the run and no energy is negative.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "import/power_csv.h"

namespace {

using namespace everywatt;

PowerCsvOptions options_of(std::uint8_t choice) {
  PowerCsvOptions options;
  if (choice & 1) options.time_column = "1";
  if (choice & 2) options.power_columns = {"2"};
  if (choice & 4) options.device_column = "none";
  if (choice & 8) options.unit = "W";
  if (choice & 16) options.decimal = ',';
  if (choice & 32) options.started = 1'715'902'913 * kSecond;
  if (choice & 64) options.time_unit = TimeUnit::milliseconds;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data + 1), size - 1};
  const auto imported = parse_power_csv("meter.csv", text, 1'715'902'913 * kSecond, options_of(data[0]));
  if (!imported) {
    if (imported.error().what.empty()) std::abort();
    return 0;
  }
  for (const ImportedDevice& device : imported->devices) {
    if (device.curve.empty() != device.reason.has_value()) std::abort();
    if (device.curve.empty()) continue;
    const auto& points = device.curve.points();
    if (points.front().time != imported->run.started.steady || points.back().time != imported->run.ended->steady)
      std::abort();
    if (points.back().total < 0 || device.uncertainty_random < 0 || device.uncertainty_systematic < 0) std::abort();
  }
  return 0;
}
