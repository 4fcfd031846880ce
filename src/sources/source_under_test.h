// For the tests of sources: opens one family on a small tree and finds things
// in what it says.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sources/all_sources.h"
#include "tests/fixture_tree.h"

namespace everywatt::testing {

inline Roots roots_of(const FixtureTree& tree) {
  return {.sys = tree.root() / "sys", .proc = tree.root() / "proc", .perf_event_open = nullptr};
}

inline Result<std::unique_ptr<Source>> open_source(std::string_view name, const Roots& roots) {
  for (const SourceKind& kind : all_sources()) {
    if (kind.name == name) return kind.open(roots);
  }
  ADD_FAILURE() << "no source is called " << name;
  return fail(Errc::absent, "no such source");
}

inline Result<std::unique_ptr<Source>> open_source(std::string_view name, const FixtureTree& tree) {
  return open_source(name, roots_of(tree));
}

// Device ids in the order of the channels.
inline std::vector<std::string> metered(const Source& source) {
  std::vector<std::string> ids;
  for (const Channel& channel : source.inventory().channels) ids.push_back(channel.device);
  return ids;
}

inline const Device* device(const Source& source, std::string_view id) {
  const auto& devices = source.inventory().devices;
  const auto at = std::ranges::find(devices, id, &Device::id);
  return at == devices.end() ? nullptr : &*at;
}

inline const Channel* channel(const Source& source, std::string_view id) {
  const auto& channels = source.inventory().channels;
  const auto at = std::ranges::find(channels, id, &Channel::device);
  return at == channels.end() ? nullptr : &*at;
}

// The raw value of a device's channel; none where it did not answer.
inline std::optional<std::uint64_t> raw(Source& source, std::string_view id) {
  std::vector<Reading> readings;
  (void)source.sample(readings);
  for (const Reading& reading : readings) {
    if (source.inventory().channels.at(reading.channel).device == id) return reading.raw;
  }
  return std::nullopt;
}

inline bool has_note(const Source& source, std::string_view what, std::string_view why) {
  return std::ranges::any_of(source.inventory().notes, [&](const std::string& note) {
    return note.starts_with(what) && note.find(why) != note.npos;
  });
}

// Root may read everything: runs `check` in a child that may not, and says whether it held.
template <class Check>
bool holds_unprivileged(const FixtureTree& tree, Check check) {
  constexpr uid_t kNobody = 65534;
  tree.set_mode(".", 0755);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool is_nobody = ::geteuid() != 0 || ::setuid(kNobody) == 0;
    ::_exit(is_nobody && check() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace everywatt::testing
