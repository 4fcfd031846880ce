// The bill to come, in a line for people.
#pragma once
#include <string>

#include "analysis/forecast.h"

namespace everywatt {

// "3 of 10 epochs: 12.3 kJ (11.9 kJ to 12.7 kJ) and 2 min 05 s in the end".
std::string forecast_text(const Forecast& forecast);

}  // namespace everywatt
