// The processes that a job names as those which prepare its input (everywatt.h, the tag input_workers): what they
// worked between two looks is told the meter as input work of the process that named them. Only its descendants are
// believed. What one worked between the last look and its end is not seen, nor what one had worked that was named long
// after it began.
#pragma once
#include <sys/types.h>

#include <map>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "meter/meter.h"
#include "model/mark.h"

namespace everywatt {

class InputWorkers {
 public:
  static constexpr std::string_view kTag = "input_workers";

  // `pids`: numbers with blanks between them, in place of those that the process named before.
  void take(const ProcessKey& process, Nanoseconds time, std::string_view pids);
  void forget(const ProcessKey& process) { crews_.erase(process); }
  void look(Nanoseconds now, Meter& meter);

 private:
  struct Worker {
    pid_t pid = 0;
    Nanoseconds named = 0;
    std::uint64_t start_ticks = 0;  // 0: not seen yet
    Nanoseconds worked = 0;
  };
  struct Crew {
    Nanoseconds seen = 0;
    std::vector<Worker> workers = {};
  };
  std::map<ProcessKey, Crew> crews_;
};

}  // namespace everywatt
