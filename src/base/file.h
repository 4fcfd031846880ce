// Files, small ones above all: the text files of /sys and /proc, read once or
// kept open and read again every tick.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace everywatt {

// One open file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_{fd} {}
  Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A file that is read again and again from its start: the descriptor stays
// open, one pread a time. `read` fills the caller's buffer and returns what is
// there, without the trailing newline; a text that does not fit is cut off.
class PolledFile {
 public:
  static Result<PolledFile> open(const std::filesystem::path& path);
  Result<std::string_view> read(char* buffer, std::size_t size) const;
  Result<std::uint64_t> read_u64() const;
  const std::filesystem::path& path() const { return path_; }

 private:
  PolledFile(Fd fd, std::filesystem::path path) : fd_{std::move(fd)}, path_{std::move(path)} {}
  Fd fd_;
  std::filesystem::path path_;
};

// The whole file, as it stands.
Result<std::string> read_text(const std::filesystem::path& path);
// The whole file without white space at its end: "package-0".
Result<std::string> read_line(const std::filesystem::path& path);
Result<std::uint64_t> read_u64(const std::filesystem::path& path);
// Writes beside the file and renames over it: readers see the old text or the new
// one. What is no plain file (a pipe, a device) is written as it is.
Result<void> write_text(const std::filesystem::path& path, std::string_view text);

}  // namespace everywatt
