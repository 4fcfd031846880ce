#include "meter/startup.h"

#include <utility>

#include "model/microjoules.h"

namespace everywatt {
namespace {

// What of a window lies after a time, by time.
Accounts after(const Startup::Window& window, Nanoseconds time) {
  if (time <= window.from) return window.accounts;
  Accounts part;
  for (const Account account : kAccounts)
    part[account] = static_cast<MicroJoules>(static_cast<Wide>(window.accounts[account]) * (window.to - time) /
                                             (window.to - window.from));
  return part;
}

}  // namespace

Accounts outside_phases(const std::vector<Entry>& entries) {
  Accounts sum;
  for (const Entry& entry : entries) {
    if (entry.phase.empty()) sum[entry.account] += entry.energy;
  }
  return sum;
}

void Startup::add(const Window& window) {
  if (is_over_ || window.to <= window.from) return;
  minutes_[window.minute] += window.accounts;
  recent_.push_back(window);
  if (recent_.size() > kRecent) recent_.pop_front();
  if (minutes_.size() <= kMostMinutes) return;
  is_over_ = true;
  minutes_.clear();
  recent_.clear();
}

std::vector<Entry> Startup::end(const std::string& device, Nanoseconds until) {
  is_over_ = true;
  for (const Window& window : recent_) {
    if (window.to > until) minutes_[window.minute] -= after(window, until);
  }
  std::vector<Entry> entries;
  for (const auto& [minute, accounts] : std::exchange(minutes_, {})) {
    for (const Account account : kAccounts) {
      const MicroJoules energy = accounts[account];
      if (energy == 0) continue;
      entries.push_back({.device = device, .phase = {}, .account = account, .minute = minute, .energy = -energy});
      entries.push_back(
          {.device = device, .phase = std::string{kStartup}, .account = account, .minute = minute, .energy = energy});
    }
  }
  recent_.clear();
  return entries;
}

}  // namespace everywatt
