// A device's power as a line over its utilisation, of which the floor is the beginning: drawn so that neither wild
// readings nor those of which it is badly known how much work they hold bend it, and with what is not known of the
// floor. Readings whose own time is not known are all too early or too late by the same: by how much shows where the
// utilisation moves up and down, and is found together with the line.
#pragma once
#include <optional>
#include <span>

namespace everywatt {

struct PowerPoint {
  double watts = 0;
  double utilisation = 0;  // 0..1
  double doubt = 0;        // by how much that may be off
  // How much higher the utilisation would be were the reading a second later; 0: its time is known.
  double per_second_late = 0;
};

struct PowerLine {
  double floor = 0;        // watts at no work
  double slope = 0;        // watts from there to full work
  double floor_error = 0;  // watts, standard uncertainty of the floor by how the points scatter
  double late = 0;         // seconds by which readings of unknown time are later than they are taken for
};

// None: too few points, or the power does not rise with the utilisation. `least_run`: utilisations nearer to each other
// than that say nothing of a slope.
std::optional<PowerLine> fit_power_line(std::span<const PowerPoint> points, double least_run);

}  // namespace everywatt
