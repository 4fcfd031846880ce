// A number in a file of /sys that a sensor keeps current. The descriptor stays
// open; where it stops answering (the driver was loaded again, the zone went
// away) the file is looked up again under its name.
#pragma once
#include <cstdint>
#include <filesystem>

#include "base/file.h"
#include "base/result.h"

namespace everywatt {

class SensorFile {
 public:
  // Reads it once: what opens, works.
  static Result<SensorFile> open(const std::filesystem::path& path);
  Result<std::uint64_t> read();
  // For a counter, which moves at every reading: one that stands still is
  // looked up again, so that a file that was replaced is noticed.
  Result<std::uint64_t> read_counter();
  [[nodiscard]] std::uint64_t last() const { return last_; }

 private:
  SensorFile(PolledFile file, std::uint64_t first) : file_{std::move(file)}, last_{first} {}
  PolledFile file_;
  std::uint64_t last_;
};

}  // namespace everywatt
