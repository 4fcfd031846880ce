#include "store/written.h"

namespace everywatt {

std::optional<std::int64_t> Written::key_of(const Run& run) {
  const auto found = runs_.find(run.id);
  if (found == runs_.end()) return std::nullopt;
  auto& [written, key] = found->second;
  // What moves is not compared: it is taken over first.
  written.ended = run.ended;
  written.usage = run.usage;
  written.overhead = run.overhead;
  written.work = run.work;
  return run == written ? std::optional{key} : std::nullopt;
}

const DeviceRecord* Written::device(std::int64_t run, std::string_view id) const {
  const auto known = devices_.find(run);
  if (known == devices_.end()) return nullptr;
  const auto found = known->second.find(id);
  return found == known->second.end() ? nullptr : &found->second;
}

}  // namespace everywatt
