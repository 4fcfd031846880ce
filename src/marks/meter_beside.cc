#include "marks/meter_beside.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "marks/launcher.h"

extern char** environ;

namespace everywatt::marks {
namespace {

constexpr off_t kDoor = 0, kRoom = 1;
// Two shells, the first of which ends at once: what they start is then no child of the job that it measures, and so not
// on its bill. It says its number first, and does not end because nobody reads what it says.
constexpr const char* kOuter = "/bin/sh -c \"$0\" sh \"$@\" &";
constexpr const char* kInner = "trap \"\" PIPE; echo $$; exec \"$@\"";

struct Paths {
  char lock[kMostPathBytes + 8] = {};
  char state[kMostPathBytes + 8] = {};
};

// Where this process is inside.
struct Inside {
  pid_t process = 0;  // a forked child is not
  int lock = -1;
  Paths paths = {};
  MeterBeside meter = {};
};
constinit Inside inside;

bool fits(int printed, std::size_t room) { return printed > 0 && static_cast<std::size_t>(printed) < room; }

// For files of this user's processes: short, since a socket's path has at most 107 bytes.
bool folder_of_user(char (&folder)[kMostPathBytes]) {
  const char* own = std::getenv("XDG_RUNTIME_DIR");
  const char* temporary = std::getenv("TMPDIR");
  const char* base = own && *own && ::access(own, W_OK) == 0                     ? own
                     : temporary && *temporary && ::access(temporary, W_OK) == 0 ? temporary
                                                                                 : "/tmp";
  if (!fits(std::snprintf(folder, sizeof folder, "%s/everywatt-%u", base, static_cast<unsigned>(::getuid())),
            sizeof folder))
    return false;
  // It stands in the state as it is, between quotes.
  if (std::strpbrk(folder, "\"\\\n")) return false;
  if (::mkdir(folder, 0700) != 0 && errno != EEXIST) return false;
  struct stat found{};
  return ::lstat(folder, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == ::getuid();
}

bool lock_byte(int fd, off_t byte, short type, int how) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  int answer = 0;
  do {
    answer = ::fcntl(fd, how, &lock);
  } while (answer != 0 && errno == EINTR);
  return answer == 0;
}

// Held on the file that stands at the path: the last one out removes it, and the next makes another.
int open_door(const char* path) {
  for (;;) {
    const int fd = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    struct stat ours{}, there{};
    const bool is_held = lock_byte(fd, kDoor, F_WRLCK, F_SETLKW);
    if (is_held && ::fstat(fd, &ours) == 0 && ::stat(path, &there) == 0 && ours.st_dev == there.st_dev &&
        ours.st_ino == there.st_ino)
      return fd;
    ::close(fd);
    if (!is_held) return -1;
  }
}

// Its number may be another's by now: its command line says whether it is.
bool is_running(const MeterBeside& meter) {
  char path[64], line[8192];
  std::snprintf(path, sizeof path, "/proc/%d/cmdline", static_cast<int>(meter.pid));
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t size = ::read(fd, line, sizeof line - 1);
  ::close(fd);
  if (size <= 0) return false;
  line[size] = '\0';
  for (const char* word = line; word < line + size; word += std::strlen(word) + 1)
    if (std::strcmp(word, meter.socket) == 0) return true;
  return false;
}

// The text between the next two quotes.
bool take_quoted(const char*& at, char* into, std::size_t room) {
  const char* open = std::strchr(at, '"');
  const char* close = open ? std::strchr(open + 1, '"') : nullptr;
  if (!close) return false;
  const auto size = static_cast<std::size_t>(close - open - 1);
  if (size >= room || std::memchr(open, '\\', size + 1)) return false;
  std::memcpy(into, open + 1, size);
  into[size] = '\0';
  at = close + 1;
  return true;
}

// [4711, "4v7c0y2m1k", "/run/user/1000/everywatt-1000/4711-1a2b.sock"]
bool read_state(const char* path, MeterBeside& meter) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  char text[512];
  const ssize_t size = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (size <= 1 || text[0] != '[') return false;
  text[size] = '\0';
  const char* at = text + 1;
  meter.pid = static_cast<pid_t>(std::strtol(at, nullptr, 10));
  return meter.pid > 0 && take_quoted(at, meter.run, sizeof meter.run) &&
         take_quoted(at, meter.socket, sizeof meter.socket) && is_running(meter);
}

bool write_state(const char* path, const MeterBeside& meter) {
  char text[512];
  const int size =
      std::snprintf(text, sizeof text, "[%d, \"%s\", \"%s\"]", static_cast<int>(meter.pid), meter.run, meter.socket);
  const int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  const bool is_written = ::write(fd, text, static_cast<std::size_t>(size)) == size;
  ::close(fd);
  return is_written;
}

// One line of what the meter says, without its end.
bool read_line(int fd, char* line, std::size_t room) {
  std::size_t size = 0;
  for (char c = 0;;) {
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    if (c == '\n') break;
    if (size + 1 < room) line[size++] = c;
  }
  line[size] = '\0';
  return true;
}

// Our signal mask and what the job ignores are not the meter's. It leads a session of its own: a terminal's signals are
// the job's alone.
bool spawn(char* const* arguments, int output, pid_t& child) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  if (::posix_spawn_file_actions_init(&files) != 0) return false;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | static_cast<short>(POSIX_SPAWN_SETSID));
  const int failed = ::posix_spawn(&child, "/bin/sh", &files, &attributes, arguments, environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return failed == 0;
}

bool start_meter(pid_t measured, const char* name, MeterBeside& meter) {
  const char* program = std::getenv("EVERYWATT_BIN");
  char pid[16], named[300];
  std::snprintf(pid, sizeof pid, "%d", static_cast<int>(measured));
  std::snprintf(named, sizeof named, "--name=%s", name ? name : "");
  const char* words[] = {"/bin/sh",
                         "-c",
                         kOuter,
                         kInner,
                         program && *program ? program : "everywatt",
                         "attach",
                         "--quiet",
                         "--print-id",
                         "--socket",
                         meter.socket,
                         pid,
                         name ? named : nullptr,
                         nullptr};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  pid_t child = 0;
  const bool is_started = spawn(const_cast<char* const*>(words), ends[1], child);
  ::close(ends[1]);
  char number[32], run[sizeof meter.run];
  const bool is_told = is_started && read_line(ends[0], number, sizeof number) && read_line(ends[0], run, sizeof run);
  ::close(ends[0]);
  while (is_started && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!is_told || std::strchr(run, ' ')) return false;  // an error is a sentence
  meter.pid = static_cast<pid_t>(std::strtol(number, nullptr, 10));
  std::memcpy(meter.run, run, sizeof run);
  return meter.pid > 0;
}

bool name_socket(const char* folder, MeterBeside& meter) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto moment =
      static_cast<unsigned long long>(now.tv_sec) * 1'000'000'000 + static_cast<unsigned long long>(now.tv_nsec);
  return fits(
      std::snprintf(meter.socket, sizeof meter.socket, "%s/%d-%llx.sock", folder, static_cast<int>(::getpid()), moment),
      sizeof meter.socket);
}

bool meet(const char* folder, pid_t launcher, const char* name, MeterBeside& meter) {
  Inside here{.process = ::getpid()};
  char key[kMostPathBytes];
  if (!fits(std::snprintf(key, sizeof key, "%s/%d-%llu", folder, static_cast<int>(launcher),
                          static_cast<unsigned long long>(start_ticks_of(launcher))),
            sizeof key))
    return false;
  std::snprintf(here.paths.lock, sizeof here.paths.lock, "%s.lock", key);
  std::snprintf(here.paths.state, sizeof here.paths.state, "%s.json", key);
  here.lock = open_door(here.paths.lock);
  if (here.lock < 0) return false;
  const bool is_there =
      read_state(here.paths.state, meter) || (name_socket(folder, meter) && start_meter(launcher, name, meter));
  const bool is_met = is_there && lock_byte(here.lock, kRoom, F_RDLCK, F_SETLK) && write_state(here.paths.state, meter);
  lock_byte(here.lock, kDoor, F_UNLCK, F_SETLK);
  if (!is_met) {
    ::close(here.lock);
    return false;
  }
  here.meter = meter;
  inside = here;
  return true;
}

}  // namespace

bool is_heard_at(const char* path) {
  if (!path || !*path || std::strlen(path) >= kMostPathBytes) return false;
  const int caller = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (caller < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  // A queue that is full belongs to somebody.
  const bool is_heard =
      ::connect(caller, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
  ::close(caller);
  return is_heard;
}

bool meet_at_meter(const char* name, MeterBeside& meter) {
  char folder[kMostPathBytes];
  if (!folder_of_user(folder)) return false;
  if (const pid_t launcher = launcher_of_ranks()) return meet(folder, launcher, name, meter);
  return name_socket(folder, meter) && start_meter(::getpid(), name, meter);
}

void leave_meter() {
  if (inside.process != ::getpid()) return;
  // Closed behind our back it may be another file's number by now: then the locks have gone with it, too.
  struct stat ours{}, there{};
  if (::fstat(inside.lock, &ours) != 0 || ::stat(inside.paths.lock, &there) != 0 || ours.st_ino != there.st_ino) return;
  if (!lock_byte(inside.lock, kDoor, F_WRLCK, F_SETLKW)) return;
  MeterBeside now;
  const bool is_last = lock_byte(inside.lock, kRoom, F_WRLCK, F_SETLK);
  if (is_last && read_state(inside.paths.state, now) && now.pid == inside.meter.pid) {
    ::kill(now.pid, SIGTERM);
    ::unlink(inside.paths.state);
    ::unlink(inside.paths.lock);
  }
  ::close(inside.lock);
  inside = {};
}

}  // namespace everywatt::marks
