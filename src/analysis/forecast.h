// The bill to come: what a run will have cost in the end, from the epochs that it has behind it and how many there will
// be. The interval holds the sum in 95 of 100 runs whose epochs lie apart by chance; a run that changes what it does is
// not foreseen. What lies between epochs is taken to go on as it did, and to draw what an epoch does.
#pragma once
#include <optional>
#include <vector>

#include "account/bill.h"

namespace everywatt {

struct Progress {
  std::vector<PhaseTime> times = {};  // of epochs that have ended, in the order of their begins
  std::size_t expected = 0;           // epochs in all
  Nanoseconds started = 0;            // the run, on the same clock
  Nanoseconds now = 0;
  MicroJoules spent = 0;  // charged so far
};

struct Forecast {
  std::size_t done = 0;
  std::size_t expected = 0;
  MicroJoules energy = 0, energy_low = 0, energy_high = 0;        // of the whole run
  Nanoseconds duration = 0, duration_low = 0, duration_high = 0;  // likewise
};

// None before two epochs have ended, and once all have.
std::optional<Forecast> forecast(const Progress& progress);

// Of a run that says how many epochs it will have (`expected_epochs` and `epoch_phase` of its environment); none: it
// does not, or has ended.
std::optional<Forecast> forecast_of(const Bill& bill);

}  // namespace everywatt
