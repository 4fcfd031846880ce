// Which sensor supplies the energy of which device, and which devices make the
// sums. The meaning of a total does not depend on permissions: the components
// (packages + dram, or modelled memory where no dram meter exists, + gpus; a
// module meter where its components cannot be separated) are counted; psys
// and node meters are listed beside them. Pure: what doctor shows and what the
// meter does are the same decision.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "model/device.h"

namespace everywatt {

// A channel by its place in the inventories that were merged.
struct ChannelPlace {
  std::size_t source = 0;
  std::uint32_t channel = 0;
  bool operator==(const ChannelPlace&) const = default;
};

struct Elected {
  Device device;
  bool counted = false;
  std::vector<ChannelPlace> candidates = {};  // best first; the first is the elected one
  std::string reason = {};                    // where there are none: why
};

// A device or channel that could have been used and is not.
struct Excluded {
  std::string what;
  std::string why;
};

struct Election {
  std::vector<Elected> devices;   // ordered by kind, then id
  std::vector<Elected> activity;  // packages that report busy time: the channel is candidates[0]
  std::vector<Excluded> excluded;
};

enum class Boundary {
  components,  // what the machine's parts draw: the default everywhere
  node,        // what the node's own meter says, where there is one ([site] boundary = "node")
};

Election elect(std::span<const Inventory* const> inventories, Boundary boundary = Boundary::components);

}  // namespace everywatt
