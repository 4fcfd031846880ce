// Energy in the ledger is whole microjoules. Shares of it are made by
// split(), whose parts always sum to the whole: no microjoule is created, lost
// or booked twice.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace everywatt {

using MicroJoules = std::int64_t;     // 2^63 uJ are 2.5 TWh
__extension__ typedef __int128 Wide;  // a product of two 64-bit values

// Parts of `total` in proportion to `weights`, by largest remainder; of equal
// remainders the first wins, so callers order by run id. All weights zero: all
// parts zero, and the caller decides whose the total is. `total` must not be
// negative; the weights must sum to less than 2^64.
std::vector<MicroJoules> split(MicroJoules total, std::span<const std::uint64_t> weights);

}  // namespace everywatt
