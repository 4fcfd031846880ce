// What this process wrote of the runs that it records, so that a column that says
// what it said is not written again: each second most of them do, and a commit is
// the dearest thing that a meter at rest does.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/run.h"

namespace everywatt {

class Written {
 public:
  // Nothing but what moves with time (`ended`, usage, overhead, work) differs from what was written.
  [[nodiscard]] bool has(const Run& run) const;
  [[nodiscard]] bool has(std::int64_t run, const Device& device) const;

  void note(const Run& run) { runs_.insert_or_assign(run.id, run); }
  void note(std::int64_t run, const Device& device) { devices_[run].insert_or_assign(device.id, device); }
  // After a transaction that was rolled back.
  void forget() {
    runs_.clear();
    devices_.clear();
  }

 private:
  std::map<std::string, Run, std::less<>> runs_;
  std::map<std::int64_t, std::map<std::string, Device, std::less<>>> devices_;  // by the key of their run
};

}  // namespace everywatt
