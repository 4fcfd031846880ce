#include "cli/git_state.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "import/git_index.h"

namespace everywatt {
namespace {

// Looking at more would take longer than a run should wait at its end.
constexpr std::size_t kMostFiles = 200'000;

// .git is a folder, or in a worktree a file that names one: "gitdir: /path/.git/worktrees/name".
std::filesystem::path git_folder(const std::filesystem::path& repository) {
  auto git = repository / ".git";
  std::error_code error;
  if (std::filesystem::is_directory(git, error)) return git;
  const auto line = read_line(git);
  constexpr std::string_view kTo = "gitdir: ";
  if (!line || !line->starts_with(kTo)) return git;
  return repository / std::filesystem::path{line->substr(kTo.size())};  // a path from the root stays itself
}

// References of all worktrees lie in the first one's folder: "../..".
std::filesystem::path common_folder(const std::filesystem::path& git) {
  const auto common = read_line(git / "commondir");
  return common ? git / *common : git;
}

enum class Look { same, changed, unknown };

bool is_before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

// `index_written`: what changed at that moment or later may not show in a file's time.
Look look_at_file(const std::filesystem::path& repository, const GitIndex::File& file, const timespec& index_written) {
  if (!file.is_plain || file.is_trusted) return Look::same;
  struct stat now{};
  if (::lstat((repository / file.path).c_str(), &now) != 0) return Look::changed;
  if (static_cast<std::uint32_t>(now.st_size) != file.size || !S_ISREG(now.st_mode)) return Look::changed;
  const bool same_second = static_cast<std::uint32_t>(now.st_mtim.tv_sec) == file.modified_seconds;
  const bool same_moment =
      file.modified_nanoseconds == 0 || static_cast<std::uint32_t>(now.st_mtim.tv_nsec) == file.modified_nanoseconds;
  return same_second && same_moment && is_before(now.st_mtim, index_written) ? Look::same : Look::unknown;
}

}  // namespace

std::optional<std::filesystem::path> repository_around(const std::filesystem::path& folder) {
  std::error_code error;
  for (auto at = folder; !at.empty(); at = at.parent_path()) {
    if (std::filesystem::exists(at / ".git", error)) return at;
    if (at == at.parent_path()) break;
  }
  return std::nullopt;
}

std::string git_commit(const std::filesystem::path& repository) {
  const auto git = git_folder(repository);
  const auto head = read_line(git / "HEAD");
  if (!head) return {};
  if (!head->starts_with("ref: ")) return *head;
  const std::string name = head->substr(5);
  const auto common = common_folder(git);
  if (const auto loose = read_line(common / name)) return *loose;
  const auto packed = read_text(common / "packed-refs");
  if (!packed) return {};
  for (const std::string_view line : split(*packed, '\n')) {
    if (line.ends_with(" " + name)) return std::string{line.substr(0, line.find(' '))};
  }
  return {};
}

std::string git_dirty(const std::filesystem::path& repository) {
  const auto path = git_folder(repository) / "index";
  struct stat written{};
  const auto text = read_text(path);
  if (!text || ::stat(path.c_str(), &written) != 0) return "unknown";
  const auto index = read_git_index(*text);
  if (!index || index->files.size() > kMostFiles) return "unknown";
  bool is_known = index->is_written_as_tree;
  if (index->has_conflicts) return "true";
  for (const GitIndex::File& file : index->files) {
    const Look look = look_at_file(repository, file, written.st_mtim);
    if (look == Look::changed) return "true";
    is_known = is_known && look == Look::same;
  }
  return is_known ? "false" : "unknown";
}

}  // namespace everywatt
