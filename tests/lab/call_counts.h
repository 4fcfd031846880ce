// How often this process called each of NVML's functions (docs/formats/lab.md): rows of
// a file that lives in memory shared with whoever reads it, so that the counts are
// there while the process runs, and after it was killed.
#pragma once
#include <array>
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
  // `call`: a text that stays where it is.
  void add(std::string_view call);
  void add_field(std::uint32_t id);

 private:
  bool is_counting();
  CallCount* row_of(std::string_view call);
  void open_file();

  std::string folder_;
  CallCount* rows_ = nullptr;
  std::size_t used_ = 0;
  std::unordered_map<std::string_view, CallCount*> by_name_;  // the keys are in the rows
  // A tool under measurement pays for what is counted: who was met last at a place is found by where its name stands,
  // a field by its number.
  struct Met {
    const char* name = nullptr;
    CallCount* row = nullptr;
  };
  std::array<Met, 256> met_ = {};
  struct MetField {
    std::uint32_t id = 0;
    CallCount* row = nullptr;
  };
  std::array<MetField, 256> met_fields_ = {};
};

}  // namespace everywatt::lab
