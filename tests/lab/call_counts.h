// How often this process called each of NVML's functions (docs/formats/lab.md): rows of
// a file that lives in memory shared with whoever reads it, so that the counts are
// there while the process runs, and after it was killed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace everywatt::lab {

// A row; `name` ends with a zero. A row without a name is free.
struct CallCount {
  char name[56];
  std::uint64_t calls;
};
static_assert(sizeof(CallCount) == 64);

// One thread at a time.
class CallCounts {
 public:
  // FOLDER/PID is made with the first call. No folder: nothing is counted.
  explicit CallCounts(std::string folder) : folder_{std::move(folder)} {}
  void add(std::string_view call);

 private:
  CallCount* row_of(std::string_view call);
  void open_file();

  std::string folder_;
  CallCount* rows_ = nullptr;
  std::size_t used_ = 0;
  std::unordered_map<std::string_view, CallCount*> by_name_;  // the keys are in the rows
};

}  // namespace everywatt::lab
