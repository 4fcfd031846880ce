// What the header of a column says: its unit, and which thing it is about.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace everywatt {

struct PowerUnit {
  enum class Quantity { power, energy };
  Quantity quantity = Quantity::power;
  double factor = 1;  // to watts or to joules
};

// W, kW, mW, MW, uW, Wh, kWh, mWh, MWh, J, kJ, mJ, MJ, uJ as written, and their names
// in full ("watts"). In small letters "mw" and "mj" are milli.
std::optional<PowerUnit> parse_power_unit(std::string_view text);

// The words of a header, in its own letters: "power.draw [W]" is power, draw, W.
std::vector<std::string> header_words(std::string_view header);
std::string lower(std::string_view text);

// The unit that a header names, seen from its end. In a header of capitals only,
// M says neither milli nor mega and is no unit.
std::optional<PowerUnit> unit_of_header(std::string_view header);

// What is left of a header of power or energy beside its unit and the words for
// what is measured: "gpu0" of "gpu0_power_w"; empty: nothing is.
std::string thing_of_header(std::string_view header);

bool is_time_header(std::string_view header);
bool is_device_header(std::string_view header);
// Speaks of power or energy, as what is drawn: not of a limit, a mean over the whole or a factor.
bool is_draw_header(std::string_view header);

}  // namespace everywatt
