#include "analysis/trimmed.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace everywatt {

Trimmed trimmed(std::vector<double> values) {
  assert(values.size() > 1);
  std::ranges::sort(values);
  const std::size_t cut = values.size() / 5;
  const std::size_t kept = values.size() - 2 * cut;
  const auto count = static_cast<double>(kept);
  Trimmed result{.degrees = count - 1};
  result.mean = std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(cut),
                                values.end() - static_cast<std::ptrdiff_t>(cut), 0.0) /
                count;
  // Winsorised: what was cut off stands as the nearest that was kept.
  for (double& value : values) value = std::clamp(value, values[cut], values[values.size() - 1 - cut]);
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  result.variance = squares / (count * (count - 1));
  return result;
}

}  // namespace everywatt
