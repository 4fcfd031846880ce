// How numbers, times and durations are shown to people, everywhere the same.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/microjoules.h"

namespace everywatt {

std::string local_time(Nanoseconds wall);  // 2026-11-24 03:02, in the reader's zone; iso_time() is base/clock.h's

// Three significant digits and the unit that suits: "412 J", "1.23 kJ", "45.6 MJ", "830 mJ".
std::string show_energy(MicroJoules energy);
std::string show_kilowatt_hours(MicroJoules energy);  // "0.114 Wh", "10.5 kWh"
std::string show_watts(double watts);
std::string show_duration(Nanoseconds time);  // "830 ms", "31.2 s", "2 min 05 s", "3 h 20 min"
std::string show_bytes(std::uint64_t bytes);  // "1.2 GB": powers of 1000
std::string show_count(double count);         // "6,738,415,616"; "3.3e12" where it is no whole number or has many zeros
std::string show_flops(double flops);         // "15.4 GFLOP", "1.52e23 FLOP"
std::string show_ratio(double value);         // "1.25"
std::string show_percent(double share);       // "37 %", "0.4 %"

// What a quantity is called in JSON, its unit at the end; a plain number or a share of 1 has none.
std::string quantity_key(std::string_view name, std::string_view unit);

// At most `width` columns, the rest cut with an ellipsis; bytes that are no
// printable text become '?', so that a name cannot move the cursor.
std::string fit(std::string_view text, std::size_t width);
// The same with the middle left out: ids that begin alike stay apart. Of ASCII.
std::string fit_middle(std::string_view text, std::size_t width);
// Columns that a UTF-8 text takes; each code point counts as one.
std::size_t columns(std::string_view text);
std::string pad_right(std::string_view text, std::size_t width);
std::string pad_left(std::string_view text, std::size_t width);

}  // namespace everywatt
