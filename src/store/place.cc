#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "store/store.h"

namespace everywatt {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

Result<StoreForm> form_from_environment() {
  const std::string form = variable("EVERYWATT_STORE_FORM");
  if (form.empty()) return StoreForm::automatic;
  if (form == "one-file") return StoreForm::one_file;
  if (form == "file-per-run") return StoreForm::file_per_run;
  return fail(Errc::misuse, "EVERYWATT_STORE_FORM expects one-file or file-per-run, not '" + form + "'");
}

// Whether files can be made in the folder, which is made itself where it is not there.
bool may_write_in(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  return !error && ::access(folder.c_str(), W_OK | X_OK) == 0;
}

// $XDG_DATA_HOME, else ~/.local/share; a relative one is to be ignored (XDG Base Directory Specification 0.8).
std::filesystem::path data_home() {
  std::filesystem::path data = variable("XDG_DATA_HOME");
  if (data.is_absolute()) return data;
  const std::filesystem::path home = variable("HOME");
  std::error_code ignored;
  // A home that is not there is a name in a password file, not a place to make.
  const bool is_home = home.is_absolute() && std::filesystem::is_directory(home, ignored);
  return is_home ? home / ".local" / "share" : std::filesystem::path{};
}

// The temporary folder is everybody's: ours below it must be ours alone, or
// somebody else would decide what the ledger says.
Result<std::filesystem::path> own_temporary_folder() {
  std::filesystem::path parent = variable("TMPDIR");
  if (!parent.is_absolute()) parent = "/tmp";
  auto folder = parent / ("everywatt-" + std::to_string(::geteuid()));
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, "make the folder " + folder.string());
  struct stat status{};
  if (::lstat(folder.c_str(), &status) != 0) return fail_errno(errno, "look at " + folder.string());
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0022) != 0) {
    return fail(Errc::denied, folder.string() + " is not this user's own folder: set EVERYWATT_DB to a file that is");
  }
  return folder;
}

}  // namespace

Result<StorePlace> default_store_place() {
  TRY(const StoreForm form, form_from_environment());
  if (const std::string path = variable("EVERYWATT_DB"); !path.empty()) return StorePlace{.path = path, .form = form};
  const auto data = data_home();
  const auto usual = data / "everywatt" / "everywatt.db";
  // A ledger that is there and may only be read is still the ledger to look into.
  if (!data.empty() && (::access(usual.c_str(), R_OK) == 0 || may_write_in(usual.parent_path())))
    return StorePlace{.path = usual, .form = form};
  TRY(const auto folder, own_temporary_folder());
  const std::string why = data.empty() ? "HOME is no folder" : data.string() + " may not be written";
  return StorePlace{.path = folder / "everywatt.db",
                    .form = form,
                    .notice = why + ": runs are kept in " + folder.string() +
                              ", which may not last (EVERYWATT_DB names another file)"};
}

}  // namespace everywatt
