#include "store/written.h"

namespace everywatt {

bool Written::has(const Run& run) const {
  const auto found = runs_.find(run.id);
  if (found == runs_.end()) return false;
  Run now = run;
  now.ended = found->second.ended;
  now.usage = found->second.usage;
  now.overhead = found->second.overhead;
  now.work = found->second.work;
  return now == found->second;
}

bool Written::has(std::int64_t run, const Device& device) const {
  const auto known = devices_.find(run);
  if (known == devices_.end()) return false;
  const auto found = known->second.find(device.id);
  return found != known->second.end() && found->second == device;
}

}  // namespace everywatt
