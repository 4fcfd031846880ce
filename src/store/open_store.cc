#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "store/folder_store.h"
#include "store/store.h"

namespace everywatt {
namespace {

// File systems whose files live on another machine: statfs(2), Linux's
// include/uapi/linux/magic.h, and the Lustre, GPFS and BeeGFS clients' sources.
constexpr std::array<std::uint32_t, 14> kNetworkFileSystems = {
    0x6969,      // NFS
    0x517b,      // SMB
    0xff534d42,  // CIFS
    0xfe534d42,  // SMB2
    0x0bd00bd0,  // Lustre
    0x47504653,  // GPFS
    0x00c36400,  // Ceph
    0x19830326,  // BeeGFS
    0x65735546,  // FUSE: sshfs, s3fs, GlusterFS …
    0x01021997,  // 9p
    0x5346414f,  // AFS
    0x6b414653,  // kAFS
    0x73757245,  // Coda
    0x013111a8,  // IBRIX
};

bool is_on_network(std::filesystem::path path) {
  struct statfs system{};
  // The folder may not be there yet: then the nearest that is.
  while (::statfs(path.c_str(), &system) != 0) {
    if (!path.has_parent_path() || path == path.parent_path()) return false;
    path = path.parent_path();
  }
  return std::ranges::find(kNetworkFileSystems, static_cast<std::uint32_t>(system.f_type)) != kNetworkFileSystems.end();
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(const std::filesystem::path& path, const StoreOptions& options) {
  if (path.empty()) return fail(Errc::misuse, "expected the path of a ledger");
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return fail_errno(error.value(), "open " + path.string());
  StoreForm form = options.form;
  if (form == StoreForm::automatic) form = is_on_network(absolute) ? StoreForm::file_per_run : StoreForm::one_file;
  return FolderStore::open(absolute, form, options);
}

}  // namespace everywatt
