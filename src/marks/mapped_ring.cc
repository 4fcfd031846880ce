#include "marks/mapped_ring.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <string>

namespace everywatt::marks {

Result<MappedRing> MappedRing::map(const Fd& file) {
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW;
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kNeeded) != kNeeded) {
    return fail(Errc::malformed, "the file is no memory that is sealed against shrinking and growing");
  }
  struct stat status{};
  struct statfs system{};
  if (::fstat(file.get(), &status) != 0 || ::fstatfs(file.get(), &system) != 0) {
    return fail_errno(errno, "look at the ring's file");
  }
  // Huge pages may turn out not to be there when they are read.
  if (system.f_type != TMPFS_MAGIC) return fail(Errc::malformed, "the ring's file has pages of another kind");
  if (status.st_size != static_cast<off_t>(sizeof(Ring))) {
    return fail(Errc::malformed, "the ring's file has " + std::to_string(status.st_size) + " bytes, a ring has " +
                                     std::to_string(sizeof(Ring)));
  }
  void* memory = ::mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "map the ring");
  return MappedRing{static_cast<Ring*>(memory)};
}

MappedRing::~MappedRing() {
  if (ring_) ::munmap(ring_, sizeof(Ring));
}

void MappedRing::forget_pages() { ::madvise(ring_, sizeof(Ring), MADV_DONTNEED); }

}  // namespace everywatt::marks
