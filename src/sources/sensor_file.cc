#include "sources/sensor_file.h"

namespace everywatt {

Result<SensorFile> SensorFile::open(const std::filesystem::path& path) {
  TRY(PolledFile file, PolledFile::open(path));
  TRY(const std::uint64_t first, file.read_u64());
  return SensorFile{std::move(file), first};
}

Result<std::uint64_t> SensorFile::read() {
  if (const auto value = file_.read_u64()) return last_ = *value;
  TRY(*this, SensorFile::open(file_.path()));
  return last_;
}

Result<std::uint64_t> SensorFile::read_counter() {
  const std::uint64_t before = last_;
  TRY(const std::uint64_t value, read());
  if (value != before) return value;
  TRY(*this, SensorFile::open(file_.path()));
  return last_;
}

}  // namespace everywatt
