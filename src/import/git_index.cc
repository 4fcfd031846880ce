#include "import/git_index.h"

#include <algorithm>
#include <optional>

namespace everywatt {
namespace {

// gitformat-index(5): ten numbers of four bytes, the object's name, flags.
constexpr std::size_t kNumbers = 40, kName = 20, kFlags = 2, kHead = kNumbers + kName + kFlags;
constexpr std::uint32_t kAssumeValid = 0x8000, kExtended = 0x4000, kStage = 0x3000;
constexpr std::uint32_t kSkipWorktree = 0x4000;  // of the extended flags
constexpr std::uint32_t kTypeMask = 0170000, kPlain = 0100000;

class Bytes {
 public:
  explicit Bytes(std::string_view all) : rest_{all} {}
  [[nodiscard]] bool has(std::size_t count) const { return rest_.size() >= count; }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  // Big-endian; the caller has asked whether it is there.
  std::uint32_t number(std::size_t size) {
    std::uint32_t value = 0;
    for (const char byte : rest_.substr(0, size)) value = value << 8 | static_cast<unsigned char>(byte);
    rest_.remove_prefix(size);
    return value;
  }
  std::string_view take(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view rest_;
};

bool read_file(Bytes& bytes, GitIndex& index) {
  if (!bytes.has(kHead)) return false;
  GitIndex::File file;
  (void)bytes.take(8);  // when its inode changed
  file.modified_seconds = bytes.number(4);
  file.modified_nanoseconds = bytes.number(4);
  (void)bytes.take(8);  // device and inode
  file.is_plain = (bytes.number(4) & kTypeMask) == kPlain;
  (void)bytes.take(8);  // user and group
  file.size = bytes.number(4);
  (void)bytes.take(kName);
  const std::uint32_t flags = bytes.number(kFlags);
  std::size_t length = kHead;
  std::uint32_t more = 0;
  if ((flags & kExtended) != 0) {
    if (!bytes.has(kFlags)) return false;
    more = bytes.number(kFlags);
    length += kFlags;
  }
  const auto end = bytes.rest().find('\0');
  if (end == std::string_view::npos) return false;
  file.path = bytes.take(end);
  length += end;
  // One to eight zeros, to a multiple of eight.
  const std::size_t padding = 8 - length % 8;
  if (!bytes.has(padding)) return false;
  (void)bytes.take(padding);
  file.is_trusted = (flags & kAssumeValid) != 0 || (more & kSkipWorktree) != 0;
  index.has_conflicts |= (flags & kStage) != 0;
  index.files.push_back(std::move(file));
  return true;
}

// "\0" and the count of the root's files, below 0 once anything in it was staged.
bool is_whole_tree(std::string_view tree) { return tree.size() > 1 && tree[0] == '\0' && tree[1] != '-'; }

bool read_extensions(Bytes& bytes, GitIndex& index) {
  while (bytes.rest().size() > kName) {  // the checksum is last
    if (!bytes.has(8)) return false;
    const std::string_view what = bytes.take(4);
    const std::uint32_t size = bytes.number(4);
    if (!bytes.has(size)) return false;
    const std::string_view body = bytes.take(size);
    if (what == "TREE") index.is_written_as_tree = is_whole_tree(body);
    // Those in small letters cannot be left out: a split index, a sparse one.
    if (what[0] >= 'a' && what[0] <= 'z') return false;
  }
  return bytes.rest().size() == kName;
}

}  // namespace

Result<GitIndex> read_git_index(std::string_view text) {
  Bytes bytes{text};
  if (!bytes.has(12) || bytes.take(4) != "DIRC") return fail(Errc::malformed, "no index of git");
  const std::uint32_t version = bytes.number(4);
  if (version != 2 && version != 3)
    return fail(Errc::malformed, "an index of git in version " + std::to_string(version) + ", known are 2 and 3");
  const std::uint32_t count = bytes.number(4);
  GitIndex index;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!read_file(bytes, index))
      return fail(Errc::malformed, "an index of git that breaks off or is of another kind at file " +
                                       std::to_string(i + 1) + " of " + std::to_string(count));
  }
  if (!read_extensions(bytes, index))
    return fail(Errc::malformed, "an index of git with parts that are not known here");
  return index;
}

}  // namespace everywatt
