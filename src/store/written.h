// What this process wrote of the runs that it records, so that a column that says
// what it said is not written again: each second most of them do, and a commit is
// the dearest thing that a meter at rest does.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "model/run.h"

namespace everywatt {

class Written {
 public:
  // The key of the run's row, if nothing but what moves with time (`ended`, usage, overhead, work) differs from what
  // was written.
  [[nodiscard]] std::optional<std::int64_t> key_of(const Run& run);
  // What was written of a device; null: not all of it is known.
  [[nodiscard]] const DeviceRecord* device(std::int64_t run, std::string_view id) const;

  void note(const Run& run, std::int64_t key) { runs_.insert_or_assign(run.id, Row{run, key}); }
  void note(std::int64_t run, const DeviceRecord& record) { devices_[run].insert_or_assign(record.device.id, record); }
  // After a transaction that was rolled back.
  void forget() {
    runs_.clear();
    devices_.clear();
  }

 private:
  struct Row {
    Run run;
    std::int64_t key;
  };
  std::map<std::string, Row, std::less<>> runs_;                                      // by id
  std::map<std::int64_t, std::map<std::string, DeviceRecord, std::less<>>> devices_;  // by the key of their run
};

}  // namespace everywatt
