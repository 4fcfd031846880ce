// FolderStore::merge: the runs of another ledger, or our own single-run files.
#include <algorithm>

#include "store/copy_rows.h"
#include "store/file_names.h"
#include "store/file_opening.h"
#include "store/folder_store.h"

namespace everywatt {
namespace {

bool same(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code ignored;
  return a == b || std::filesystem::equivalent(a, b, ignored);
}

// The ledger files that `from` stands for.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& from) {
  std::error_code ignored;
  std::vector<std::filesystem::path> files;
  std::filesystem::path runs = std::filesystem::absolute(from).parent_path() / "runs";
  if (std::filesystem::is_directory(from, ignored)) {
    files = databases_in(from);
    runs = from / "runs";
  } else {
    if (std::filesystem::exists(from, ignored)) files.push_back(from);
  }
  std::ranges::copy(databases_in(runs), std::back_inserter(files));
  return files;
}

Result<std::vector<RunSummary>> runs_of(Connection& from) {
  ListedRuns listed;
  CHECK(list_runs(from, {}, listed));
  if (!listed.damaged.empty()) return fail(Errc::malformed, listed.damaged.front());
  return std::move(listed.runs);
}

}  // namespace

Result<void> FolderStore::take_file(const std::filesystem::path& from, std::set<std::string>& taken) {
  TRY(Connection source, open_foreign_database(from));
  TRY(const auto runs, runs_of(source));
  for (const RunSummary& summary : runs) {
    const std::string& id = summary.id;
    const auto here = file_of(id);
    if (here) continue;
    if (here.error().code != Errc::absent) return std::unexpected{here.error()};
    TRY(LedgerFile* const file, file_for(id));
    CHECK(file->take_run(source, id));
    taken.insert(id);
  }
  return take_floors(source);
}

// Each host's to where they are looked for.
Result<void> FolderStore::take_floors(Connection& source) {
  TRY(const auto hosts, hosts_with_floors(source));
  for (const std::string& host : hosts) {
    TRY(LedgerFile* const file, floors_of(host));
    CHECK(file->take_floors(source, host));
  }
  return {};
}

Result<std::size_t> FolderStore::fold_own_files() {
  TRY(LedgerFile* const target, ledger());
  std::size_t count = 0;
  for (const auto& path : run_files()) {
    bool is_done = true;
    {
      TRY(Connection source, open_foreign_database(path));
      TRY(const auto runs, runs_of(source));
      for (const RunSummary& summary : runs) {
        if (summary.status == RunStatus::running) {
          is_done = false;  // somebody may be writing it
          continue;
        }
        TRY(const bool here, target->has(summary.id));
        if (here) continue;
        CHECK(target->take_run(source, summary.id));
        ++count;
      }
      TRY(const auto hosts, hosts_with_floors(source));
      for (const std::string& host : hosts) CHECK(target->take_floors(source, host));
    }
    if (!is_done) continue;
    close(path);
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) return fail_errno(error.value(), "remove " + path.string());
  }
  return count;
}

Result<std::size_t> FolderStore::merge(const std::filesystem::path& from) {
  const auto folder = path_.parent_path();
  if (same(from, path_) || same(from, folder) || same(from, folder / "runs")) return fold_own_files();
  std::error_code ignored;
  // A store of single-run files may have no ledger yet, only its place.
  const bool is_place = from.filename() == path_.filename();
  const auto files = files_of(from);
  if (files.empty() || (!is_place && !std::filesystem::exists(from, ignored))) {
    return fail(Errc::absent, "no ledger at " + from.string());
  }
  CHECK(commit());
  std::set<std::string> taken;
  for (const auto& file : files) CHECK(take_file(file, taken));
  return taken.size();
}

}  // namespace everywatt
