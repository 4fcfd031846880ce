#include "sources/nvml_processes.h"

#include <algorithm>
#include <cstring>

namespace everywatt::nvml {
namespace {

constexpr std::byte kUntouched{0xa5};  // no driver writes it from end to end

template <class Entry>
Entry entry_at(const std::vector<std::byte>& told, std::size_t index) {
  Entry entry{};
  std::memcpy(&entry, told.data() + index * sizeof entry, sizeof entry);
  return entry;
}

// By what was written behind where `count` entries of the usual size end: versions of drivers do not tell it, since it
// was mended in several branches.
bool is_wide(const std::vector<std::byte>& told, std::size_t count) {
  const auto end = told.begin() + static_cast<std::ptrdiff_t>(count * sizeof(WideProcessInfo));
  return std::any_of(told.begin() + static_cast<std::ptrdiff_t>(count * sizeof(ProcessInfo)), end,
                     [](std::byte byte) { return byte != kUntouched; });
}

}  // namespace

Return Processes::Function::operator()(Device device, std::uint32_t* count, void* into) const {
  if (newest) return newest(device, count, into);
  return call_if_there(old, device, count, static_cast<OldProcessInfo*>(into));
}

Processes::Function Processes::function_of(Kind kind) const {
  const Functions& call = library_->call;
  switch (kind) {
    case Kind::compute:
      return {call.compute_processes, call.old_compute_processes};
    case Kind::graphics:
      return {call.graphics_processes, call.old_graphics_processes};
    case Kind::mps:
      return {call.mps_processes, call.old_mps_processes};
  }
  return {};
}

Return Processes::is_told(Kind kind, Device device) const {
  std::uint32_t count = 0;
  const Return status = function_of(kind)(device, &count, nullptr);
  return status == Return::insufficient_size ? Return::success : status;
}

std::optional<std::span<const ProcessInfo>> Processes::list(Kind kind, Device device) {
  const Function function = function_of(kind);
  Return status = Return::insufficient_size;
  std::size_t count = 0;
  for (int attempt = 0; attempt < 3 && status == Return::insufficient_size; ++attempt) {
    room_ = std::max(room_, count);
    told_.assign(room_ * sizeof(WideProcessInfo), kUntouched);
    auto room = static_cast<std::uint32_t>(room_);
    status = function(device, &room, told_.data());
    count = room + (status == Return::insufficient_size ? 4 : 0);  // some may come meanwhile
  }
  if (status != Return::success) return std::nullopt;
  take(function, std::min(count, room_));
  return processes_;
}

void Processes::take(const Function& function, std::size_t count) {
  processes_.clear();
  const bool are_wide = function.newest && is_wide(told_, count);
  for (std::size_t i = 0; i < count; ++i) {
    if (!function.newest) {
      const auto old = entry_at<OldProcessInfo>(told_, i);
      processes_.push_back({old.pid, old.memory, kNoInstance, kNoInstance});
    } else {
      processes_.push_back(are_wide ? entry_at<WideProcessInfo>(told_, i).info : entry_at<ProcessInfo>(told_, i));
    }
  }
}

}  // namespace everywatt::nvml
