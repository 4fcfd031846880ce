#include "model/microjoules.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace everywatt {

std::vector<MicroJoules> split(MicroJoules total, std::span<const std::uint64_t> weights) {
  assert(total >= 0);
  std::vector<MicroJoules> parts(weights.size(), 0);
  const Wide sum = std::accumulate(weights.begin(), weights.end(), Wide{0});
  if (sum == 0) return parts;

  std::vector<Wide> remainders(weights.size());
  MicroJoules left = total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Wide product = static_cast<Wide>(total) * weights[i];
    parts[i] = static_cast<MicroJoules>(product / sum);
    remainders[i] = product % sum;
    left -= parts[i];
  }
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return remainders[i]; });
  for (std::size_t i = 0; left > 0; ++i, --left) ++parts[order[i]];
  return parts;
}

}  // namespace everywatt
