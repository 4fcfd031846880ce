#include "tests/lab/call_counts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <utility>

namespace everywatt::lab {
namespace {

constexpr std::size_t kRows = 256;  // more than NVML's functions and fields that the lab has

}  // namespace

void CallCounts::open_file() {
  const std::string path = std::exchange(folder_, {}) + "/" + std::to_string(::getpid());
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  void* memory = MAP_FAILED;
  if (file >= 0 && ::ftruncate(file, kRows * sizeof(CallCount)) == 0)
    memory = ::mmap(nullptr, kRows * sizeof(CallCount), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    std::fprintf(stderr, "everywatt-lab: %s cannot be made: the calls are not counted\n", path.c_str());
  } else {
    rows_ = static_cast<CallCount*>(memory);
  }
  if (file >= 0) ::close(file);
}

CallCount* CallCounts::row_of(std::string_view call) {
  const auto known = by_name_.find(call);
  if (known != by_name_.end()) return known->second;
  if (used_ == kRows || call.size() >= sizeof(CallCount::name)) return nullptr;
  CallCount* row = rows_ + used_++;
  std::memcpy(row->name, call.data(), call.size());
  return by_name_.emplace(std::string_view{row->name, call.size()}, row).first->second;
}

bool CallCounts::is_counting() {
  if (!folder_.empty()) open_file();
  return rows_ != nullptr;
}

void CallCounts::add(std::string_view call) {
  if (!is_counting()) return;
  Met& met = met_[reinterpret_cast<std::uintptr_t>(call.data()) / 8 % met_.size()];
  if (met.name != call.data()) met = {call.data(), row_of(call)};
  if (met.row) ++met.row->calls;
}

void CallCounts::add_field(std::uint32_t id) {
  if (!is_counting()) return;
  MetField& met = met_fields_[id % met_fields_.size()];
  if (!met.row || met.id != id) met = {id, row_of("field " + std::to_string(id))};
  if (met.row) ++met.row->calls;
}

}  // namespace everywatt::lab
