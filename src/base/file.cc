#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.h"

namespace everywatt {
namespace {

Result<Fd> open_to_read(const std::filesystem::path& path) {
  Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) return fail_errno(errno, "read " + path.string());
  return fd;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<PolledFile> PolledFile::open(const std::filesystem::path& path) {
  TRY(Fd fd, open_to_read(path));
  return PolledFile{std::move(fd), path};
}

Result<std::string_view> PolledFile::read(char* buffer, std::size_t size) const {
  const ssize_t n = ::pread(fd_.get(), buffer, size, 0);
  if (n < 0) return fail_errno(errno, "read " + path_.string());
  return trim_end({buffer, static_cast<std::size_t>(n)});
}

Result<std::uint64_t> PolledFile::read_u64() const {
  std::array<char, 32> buffer;
  TRY(const std::string_view text, read(buffer.data(), buffer.size()));
  const auto value = parse_u64(text);
  if (!value) return fail(Errc::malformed, path_.string() + ": not a number: '" + std::string{text} + "'");
  return *value;
}

Result<std::string> read_text(const std::filesystem::path& path) {
  TRY(const Fd fd, open_to_read(path));
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return fail_errno(errno, "read " + path.string());
    if (n == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Result<std::string> read_line(const std::filesystem::path& path) {
  TRY(std::string text, read_text(path));
  text.resize(trim_end(text).size());
  return text;
}

Result<std::uint64_t> read_u64(const std::filesystem::path& path) {
  TRY(const std::string text, read_line(path));
  const auto value = parse_u64(text);
  if (!value) return fail(Errc::malformed, path.string() + ": not a number: '" + text + "'");
  return *value;
}

namespace {

Result<void> write_all(const std::filesystem::path& path, std::string_view text) {
  Fd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (!fd) return fail_errno(errno, "write");
  while (!text.empty()) {
    const ssize_t n = ::write(fd.get(), text.data(), text.size());
    if (n < 0) return fail_errno(errno, "write");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

Result<void> write_text(const std::filesystem::path& path, std::string_view text) {
  std::error_code ignored;
  // What a link leads to is written where it is: the link stays, and who holds the file open sees it.
  const std::filesystem::file_status status = std::filesystem::symlink_status(path, ignored);
  const bool is_plain = !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
  const std::filesystem::path draft = is_plain ? path.string() + ".new" : path.string();
  auto written = write_all(draft, text);
  if (is_plain && written && ::rename(draft.c_str(), path.c_str()) != 0) written = fail_errno(errno, "write");
  if (written) return {};
  if (is_plain) ::unlink(draft.c_str());
  return fail(written.error().code, path.string() + ": " + written.error().what);
}

}  // namespace everywatt
