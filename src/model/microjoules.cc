#include "model/microjoules.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <memory_resource>
#include <numeric>

namespace everywatt {

std::vector<MicroJoules> split(MicroJoules total, std::span<const std::uint64_t> weights) {
  assert(total >= 0);
  std::vector<MicroJoules> parts(weights.size(), 0);
  const Wide sum = std::accumulate(weights.begin(), weights.end(), Wide{0});
  if (sum == 0) return parts;

  // Few parts are divided every second for each device: their room is on the stack.
  std::array<std::byte, 256> room;
  std::pmr::monotonic_buffer_resource few{room.data(), room.size()};
  std::pmr::vector<Wide> remainders(weights.size(), &few);
  MicroJoules left = total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Wide product = static_cast<Wide>(total) * weights[i];
    parts[i] = static_cast<MicroJoules>(product / sum);
    remainders[i] = product % sum;
    left -= parts[i];
  }
  if (left == 0) return parts;
  std::pmr::vector<std::size_t> order(weights.size(), &few);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return remainders[a] != remainders[b] ? remainders[a] > remainders[b] : a < b;
  });
  for (std::size_t i = 0; left > 0; ++i, --left) ++parts[order[i]];
  return parts;
}

}  // namespace everywatt
