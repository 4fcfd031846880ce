#include "model/run.h"

#include <algorithm>
#include <array>

namespace everywatt {
namespace {

constexpr std::array<std::string_view, 5> kStatuses = {"running", "finished", "failed", "killed", "lost"};
constexpr std::array<std::string_view, 6> kTrackNames = {"energy", "worked", "ours", "reserved", "unreserved", "floor"};

}  // namespace

std::string_view to_string(RunStatus status) { return kStatuses[static_cast<std::size_t>(status)]; }
std::string_view to_string(Track track) { return kTrackNames[static_cast<std::size_t>(track)]; }

std::optional<RunStatus> parse_run_status(std::string_view text) {
  const auto found = std::ranges::find(kStatuses, text);
  if (found == kStatuses.end()) return std::nullopt;
  return static_cast<RunStatus>(found - kStatuses.begin());
}

}  // namespace everywatt
