#include "meter/presence.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"

namespace everywatt {
namespace {

// Long enough for every meter to close the window in which a run ended.
constexpr Nanoseconds kRemember = 3 * kSecond;
constexpr std::string_view kFloors = ".floors";
constexpr std::string_view kMagic = "everywatt-presence 1";

// FNV-1a; a name, not a secret.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325u;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return value;
}

std::string hex(std::uint64_t value) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[value >> shift & 15];
  return text;
}

bool is_usable(const std::filesystem::path& folder) {
  struct stat info{};
  if (::lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return false;
  // Without the sticky bit others could remove our file.
  return (info.st_mode & S_ISVTX) != 0 || info.st_uid == ::geteuid();
}

// A dead run's file is nobody's share any more; the sticky bit lets its owner alone remove it.
bool is_alive(int fd) { return ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK; }

// Held for microseconds by anyone sound; a run does not wait for one that is not.
bool lock_soon(int fd) {
  constexpr int kTries = 20;
  for (int i = 0; i < kTries; ++i) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) return false;
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = kMillisecond};
    (void)::nanosleep(&kPause, nullptr);
  }
  return false;
}

// When the folder last changed; none while that is so short ago that another
// change could bear the same time (the kernel's clock of files moves in ticks).
std::optional<Nanoseconds> settled_change_of(const Fd& folder) {
  constexpr Nanoseconds kSettled = 100 * kMillisecond;
  struct stat info{};
  timespec now{};
  if (::fstat(folder.get(), &info) != 0 || info.st_nlink == 0) return std::nullopt;  // none: it was removed
  if (::clock_gettime(CLOCK_REALTIME, &now) != 0) return std::nullopt;
  const auto in_nanoseconds = [](const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; };
  const Nanoseconds changed = in_nanoseconds(info.st_mtim);
  const Nanoseconds age = in_nanoseconds(now) - changed;
  return age > kSettled ? std::optional{changed} : std::nullopt;
}

// "4711 98765 4026531836"
Tenant::Root parse_root(std::string_view text) {
  const auto fields = words(text);
  if (fields.size() != 3) return {};
  return {.pid = parse_i64(fields[0]).value_or(0),
          .start_ticks = parse_u64(fields[1]).value_or(0),
          .pid_namespace = parse_u64(fields[2]).value_or(0)};
}

// "1000 package:0 123456"
void add_reading(std::string_view text, std::vector<WorkReading>& readings) {
  const auto fields = words(text);
  if (fields.size() != 3) return;
  const auto time = parse_i64(fields[0]);
  const auto worked = parse_u64(fields[2]);
  if (time && worked) readings.push_back({.time = *time, .device = std::string{fields[1]}, .worked = *worked});
}

}  // namespace

Result<std::filesystem::path> presence_folder(const Roots& roots) {
  const auto boot = read_line(roots.proc / "sys/kernel/random/boot_id");
  const std::string key = hex(hash(boot.value_or("") + "|" + roots.sys.string() + "|" + roots.proc.string()));
  for (const char* base : {"/dev/shm", "/tmp"}) {
    std::filesystem::path folder = std::filesystem::path{base} / ("everywatt-" + key);
    if (::mkdir(folder.c_str(), 01777) == 0) ::chmod(folder.c_str(), 01777);  // past the umask
    if (is_usable(folder)) return folder;
  }
  return fail(Errc::denied,
              "no folder that all everywatts of this host can share: neither /dev/shm nor /tmp can be written");
}

std::string format_tenant(const Tenant& tenant) {
  std::string text{kMagic};
  text += "\nrun " + tenant.run + "\nfrom " + std::to_string(tenant.from);
  const Tenant::Root& root = tenant.root;
  text += "\nroot " + std::to_string(root.pid) + " " + std::to_string(root.start_ticks) + " " +
          std::to_string(root.pid_namespace);
  if (!tenant.parent.empty()) text += "\nparent " + tenant.parent;
  if (tenant.to) text += "\nto " + std::to_string(*tenant.to);
  if (tenant.reservation.quota) text += "\nquota " + std::to_string(*tenant.reservation.quota);
  if (tenant.reservation.cpus) text += "\ncpus " + format_cpu_list(*tenant.reservation.cpus);
  if (tenant.reservation.gpus) {
    text += "\ngpus";
    for (const std::string& gpu : *tenant.reservation.gpus) text += " " + gpu;
  }
  for (const WorkReading& reading : tenant.readings) {
    text += "\nworked " + std::to_string(reading.time) + " " + reading.device + " " + std::to_string(reading.worked);
  }
  return text + "\nend\n";
}

std::optional<Tenant> parse_tenant(std::string_view text) {
  const auto lines = split(text, '\n');
  if (lines.size() < 3 || lines.front() != kMagic || lines[lines.size() - 2] != "end") return std::nullopt;
  Tenant tenant;
  for (std::size_t i = 1; i + 2 < lines.size(); ++i) {
    const auto blank = lines[i].find(' ');
    const std::string_view key = lines[i].substr(0, blank);
    const std::string_view value = blank == std::string_view::npos ? "" : lines[i].substr(blank + 1);
    const auto number = parse_i64(value);
    if (key == "run") tenant.run = value;
    if (key == "parent") tenant.parent = value;
    if (key == "root") tenant.root = parse_root(value);
    if (key == "from" && number) tenant.from = *number;
    if (key == "to") tenant.to = number;
    if (key == "quota") tenant.reservation.quota = parse_double(value);
    if (key == "cpus") tenant.reservation.cpus = parse_cpu_list(value);
    if (key == "gpus") {
      const auto gpus = words(value);
      tenant.reservation.gpus.emplace(gpus.begin(), gpus.end());
    }
    if (key == "worked") add_reading(value, tenant.readings);
  }
  if (tenant.run.empty()) return std::nullopt;
  return tenant;
}

Result<Presence> Presence::announce(const std::filesystem::path& folder, Tenant tenant) {
  const std::filesystem::path draft = folder / ("." + tenant.run);
  Fd file{::open(draft.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)};
  if (!file) return fail_errno(errno, "announce the run in " + folder.string());
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return fail_errno(errno, "lock " + draft.string());
  Fd watched{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  Presence presence{folder, std::move(tenant), std::move(file), std::move(watched)};
  CHECK(presence.write());
  // Locked and whole before anyone can see it.
  if (::rename(draft.c_str(), (folder / presence.tenant_.run).c_str()) != 0)
    return fail_errno(errno, "announce the run");
  return presence;
}

Result<void> Presence::write() const {
  // One write of a text that only grows: a reader sees the old or the new, and "end" tells a whole one.
  const std::string text = format_tenant(tenant_);
  if (::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ::ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0) {
    return fail_errno(errno, "write the presence of run " + tenant_.run);
  }
  return {};
}

Result<void> Presence::reserve(const Reservation& reservation) {
  tenant_.reservation = reservation;
  return write();
}

Result<void> Presence::leave(Nanoseconds end, std::span<const WorkReading> readings) {
  tenant_.to = end;
  std::ranges::copy(readings, std::back_inserter(tenant_.readings));
  // Whoever comes after our end has no use for us: only who is there now must learn of it.
  const bool alone = tenants(end).size() == 1;
  if (alone) ::unlink((folder_ / tenant_.run).c_str());
  return alone ? Result<void>{} : write();
}

std::optional<FloorBoard> Presence::floors(std::span<const ProposedFloor> proposed, Nanoseconds now, Company company) {
  const std::filesystem::path path = folder_ / kFloors;
  Fd file{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)};
  if (!file) return std::nullopt;
  ::fchmod(file.get(), 0666);  // past the umask; fails quietly for all but the owner
  if (!lock_soon(file.get())) return std::nullopt;
  std::array<char, 65536> buffer;
  const ssize_t size = ::pread(file.get(), buffer.data(), buffer.size(), 0);
  FloorBoard board = FloorBoard::parse({buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))});
  bool changed = false;
  for (const auto& [device, floor] : proposed) changed |= board.propose(device, floor, now, company);
  if (changed) {
    const std::string text = board.format();
    if (::pwrite(file.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
      (void)::ftruncate(file.get(), static_cast<off_t>(text.size()));
    }
  }
  return board;
}

std::vector<Tenant> Presence::tenants(Nanoseconds now) {
  const std::optional<Nanoseconds> changed = settled_change_of(watched_);
  if (changed && changed == alone_since_) return {tenant_};
  std::vector<Tenant> found{tenant_};
  std::ranges::move(tenants_in(folder_, now, tenant_.run), std::back_inserter(found));
  alone_since_ = found.size() == 1 ? changed : std::nullopt;
  return found;
}

std::vector<Tenant> tenants_in(const std::filesystem::path& folder, Nanoseconds now, std::string_view but) {
  std::vector<Tenant> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{folder, error}) {
    const std::string name = entry.path().filename();
    if (name == but || name.starts_with('.')) continue;
    const Fd file{::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    std::array<char, 4096> buffer;
    const ssize_t size = file ? ::pread(file.get(), buffer.data(), buffer.size(), 0) : -1;
    if (size < 0) continue;
    auto tenant = parse_tenant({buffer.data(), static_cast<std::size_t>(size)});
    if (!tenant || tenant->run != name) continue;
    const bool ended = tenant->to.has_value() || !is_alive(file.get());
    const bool forgotten = ended && (!tenant->to || now - *tenant->to > kRemember);
    if (forgotten) {
      ::unlink(entry.path().c_str());
    } else {
      found.push_back(std::move(*tenant));
    }
  }
  return found;
}

}  // namespace everywatt
