#include "cli/mark_sockets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>

#include "base/file.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "everywatt-";
constexpr std::string_view kSuffix = ".sock";
// A younger one may be about to listen.
constexpr std::time_t kLeastAge = 10;

fs::path folder() {
  const char* own = std::getenv("XDG_RUNTIME_DIR");
  std::error_code error;
  if (own && fs::is_directory(own, error)) return own;
  const fs::path temporary = fs::temp_directory_path(error);
  return error ? fs::path{"/tmp"} : temporary;
}

bool is_old_socket_of_ours(const fs::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) && status.st_uid == ::geteuid() &&
         std::time(nullptr) - status.st_mtime >= kLeastAge;
}

// Who listens has a call that ends at once.
bool nobody_listens(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  const Fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  return socket && ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

fs::path mark_socket_of(const std::string& run) {
  return folder() / (std::string{kPrefix} + run + std::string{kSuffix});
}

void remove_deserted_mark_sockets() {
  std::error_code error;
  for (fs::directory_iterator entry{folder(), error}, end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix) && is_old_socket_of_ours(entry->path()) &&
        nobody_listens(entry->path())) {
      ::unlink(entry->path().c_str());
    }
  }
}

}  // namespace everywatt
