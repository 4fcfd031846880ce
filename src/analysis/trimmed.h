// The middle of a few values and how well it is known, when one of them may be far out: the mean without a fifth at
// each end, of five values and more, with the Winsorised variance (Yuen, Biometrika 61, 1974). Of three and four it is
// the mean.
#pragma once
#include <vector>

namespace everywatt {

struct Trimmed {
  double mean = 0;
  double variance = 0;  // of the mean
  double degrees = 0;   // of freedom, that the variance has
};

// At least two values.
Trimmed trimmed(std::vector<double> values);

}  // namespace everywatt
