#include "meter/startup.h"

#include <utility>

#include "model/microjoules.h"

namespace everywatt {
namespace {

Accounts operator-(const Accounts& a, const Accounts& b) {
  return {.busy = a.busy - b.busy,
          .idle = a.idle - b.idle,
          .other = a.other - b.other,
          .unattributed = a.unattributed - b.unattributed};
}

// What of a window lies after a time, by time.
Accounts after(const Startup::Window& window, Nanoseconds time) {
  if (time <= window.from) return window.accounts;
  const auto part = [&](MicroJoules energy) {
    return static_cast<MicroJoules>(static_cast<Wide>(energy) * (window.to - time) / (window.to - window.from));
  };
  const Accounts& all = window.accounts;
  return {
      .busy = part(all.busy), .idle = part(all.idle), .other = part(all.other), .unattributed = part(all.unattributed)};
}

}  // namespace

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
    if (window.to > until) minutes_[window.minute] = minutes_[window.minute] - after(window, until);
  }
  std::vector<Entry> entries;
  for (const auto& [minute, accounts] : std::exchange(minutes_, {})) {
    for (const auto& [account, energy] :
         {std::pair{Account::busy, accounts.busy}, std::pair{Account::idle, accounts.idle},
          std::pair{Account::other, accounts.other}, std::pair{Account::unattributed, accounts.unattributed}}) {
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
