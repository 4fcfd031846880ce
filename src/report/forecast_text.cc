#include "report/forecast_text.h"

#include "report/format.h"

namespace everywatt {

std::string forecast_text(const Forecast& told) {
  return std::to_string(told.done) + " of " + std::to_string(told.expected) + " epochs: " + show_energy(told.energy) +
         " (" + show_energy(told.energy_low) + " to " + show_energy(told.energy_high) + ") and " +
         show_duration(told.duration) + " (" + show_duration(told.duration_low) + " to " +
         show_duration(told.duration_high) + ") in the end, where it goes on like this";
}

}  // namespace everywatt
