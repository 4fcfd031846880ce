// What a device's books hold of the time before a run's first work on a GPU. Whether there will be any is not known
// while it passes: it is booked outside any phase, and moved to the phase `startup` once there is.
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "model/accounts.h"
#include "model/run.h"

namespace everywatt {

inline constexpr std::string_view kStartup = "startup";

// What is in no phase.
Accounts outside_phases(const std::vector<Entry>& entries);

class Startup {
 public:
  // One window that was booked outside any phase.
  struct Window {
    Nanoseconds from = 0;
    Nanoseconds to = 0;
    std::int64_t minute = 0;
    Accounts accounts;
  };
  void add(const Window& window);
  // The first work was at `until`: entries that move what was booked before. Nothing is held from then on.
  std::vector<Entry> end(const std::string& device, Nanoseconds until);

 private:
  // Who has not worked on a GPU in a day does not start up.
  static constexpr std::size_t kMostMinutes = std::size_t{24} * 60;
  static constexpr std::size_t kRecent = 8;  // windows: work is told some time after it was done
  std::map<std::int64_t, Accounts> minutes_;
  std::deque<Window> recent_;
  bool is_over_ = false;
};

}  // namespace everywatt
