// What the times that a phase was entered have in common and how far they lie apart: one epoch, and the spread over
// epochs. Spans of several processes at the same time (the middle of the later lies within the other) are one time of
// the run, with the energy of all: the ranks of a job enter an epoch together.
#pragma once
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/run.h"

namespace everywatt {

struct PhaseTime {
  Nanoseconds begin = 0;
  Nanoseconds end = 0;
  MicroJoules energy = 0;  // charged, children included
};

// In the order of their begins.
std::vector<PhaseTime> times_of(std::span<const Span> spans, std::string_view path);

struct Spread {
  std::size_t count = 0;
  double median = 0;  // microjoules, as all here
  double least = 0;
  double most = 0;
  std::optional<double> standard_deviation = {};  // of two and more
};

// None: nothing to tell it from.
std::optional<Spread> spread_of(std::span<const PhaseTime> times);

// Of numbers that need not be sorted; 0 of none.
double median_of(std::vector<double> values);

}  // namespace everywatt
