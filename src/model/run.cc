#include "model/run.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace everywatt {
namespace {

constexpr std::array<std::string_view, 5> kStatuses = {"running", "finished", "failed", "killed", "lost"};
constexpr std::array<std::string_view, 6> kTrackNames = {"energy", "worked", "ours", "reserved", "unreserved", "floor"};

}  // namespace

std::string_view to_string(RunStatus status) { return kStatuses[static_cast<std::size_t>(status)]; }
std::string_view to_string(Track track) { return kTrackNames[static_cast<std::size_t>(track)]; }

void append(Tracks later, Tracks& to) {
  for (const Track track : kTracks) {
    if (to[track].empty()) {
      to[track] = std::move(later[track]);
    } else {
      std::ranges::copy(later[track], std::back_inserter(to[track]));
    }
  }
}

std::optional<RunStatus> parse_run_status(std::string_view text) {
  const auto found = std::ranges::find(kStatuses, text);
  if (found == kStatuses.end()) return std::nullopt;
  return static_cast<RunStatus>(found - kStatuses.begin());
}

}  // namespace everywatt
