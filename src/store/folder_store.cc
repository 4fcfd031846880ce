#include "store/folder_store.h"

#include <algorithm>
#include <numeric>

#include "store/file_names.h"
#include "store/file_opening.h"

namespace everywatt {
namespace {

// Single-run files that stay open to be read again; those with something to write stay in any case.
constexpr std::size_t kMostOpen = 32;

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

std::unexpected<Error> no_such_run(std::string_view reference, const std::filesystem::path& path) {
  return fail(Errc::absent,
              "no run '" + std::string{reference} + "' in " + path.string() + " (everywatt ls lists them)");
}

bool newer(const FoundRun& a, const FoundRun& b) { return a.recorded_wall > b.recorded_wall; }

template <class Row, class Key, class Time>
void keep_newest(std::vector<Row>& rows, Row row, Key key, Time time) {
  const auto same = std::ranges::find_if(rows, [&](const Row& r) { return key(r) == key(row); });
  if (same == rows.end()) {
    rows.push_back(std::move(row));
  } else if (time(row) > time(*same)) {
    *same = std::move(row);
  }
}

// Newest first, each run once: the ledger's come first.
std::vector<RunSummary> in_one_list(ListedRuns listed, std::size_t limit) {
  std::vector<std::size_t> order(listed.runs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::set<std::string_view> seen;
  std::erase_if(order, [&](std::size_t i) { return !seen.insert(listed.runs[i].id).second; });
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return listed.recorded_wall[i]; });
  if (limit > 0 && order.size() > limit) order.resize(limit);
  std::vector<RunSummary> runs;
  runs.reserve(order.size());
  for (const std::size_t i : order) runs.push_back(std::move(listed.runs[i]));
  return runs;
}

}  // namespace

Result<std::unique_ptr<Store>> FolderStore::open(const std::filesystem::path& path, StoreForm form,
                                                 const StoreOptions& options) {
  static RealClock real_clock;
  std::unique_ptr<FolderStore> store{
      new FolderStore{path, form, options.clock ? *options.clock : real_clock, options.tell}};
  const bool anything = is_file(path) || !store->run_files().empty();
  if (!anything && !options.create) return fail(Errc::absent, "no ledger at " + path.string());
  if (is_file(path) || form == StoreForm::one_file) CHECK(store->ledger());
  return std::unique_ptr<Store>{std::move(store)};
}

void FolderStore::notice(std::string what) {
  if (std::ranges::find(notices_, what) != notices_.end()) return;
  if (tell_) tell_(what);
  notices_.push_back(std::move(what));
}

Journal FolderStore::journal() const { return form_ == StoreForm::one_file ? Journal::write_ahead : Journal::rollback; }

std::filesystem::path FolderStore::run_file(std::string_view run) const {
  return path_.parent_path() / "runs" / (file_name_of(run) + ".db");
}

std::filesystem::path FolderStore::floors_file(std::string_view host) const {
  return path_.parent_path() / "runs" / ("floors-" + file_name_of(host) + ".db");
}

std::vector<std::filesystem::path> FolderStore::run_files() const { return databases_in(path_.parent_path() / "runs"); }

Result<LedgerFile*> FolderStore::file_at(const std::filesystem::path& path) {
  if (const auto found = open_.find(path); found != open_.end()) {
    if (!found->second.is_replaced()) return &found->second;
    open_.erase(found);
  }
  if (open_.size() >= kMostOpen) {
    std::erase_if(open_, [&](const auto& file) { return file.first != path_ && file.second.is_idle(); });
  }
  const Journal kind = path == path_ ? journal() : Journal::rollback;
  std::vector<std::string> noticed;
  auto file = LedgerFile::open(path, kind, clock_.now().wall, noticed);
  for (std::string& what : noticed) notice(std::move(what));
  if (!file) return std::unexpected{std::move(file).error()};
  return &open_.emplace(path, *std::move(file)).first->second;
}

Result<LedgerFile*> FolderStore::ledger() { return file_at(path_); }

Result<LedgerFile*> FolderStore::file_of(std::string_view run) {
  for (auto& [path, file] : open_) {
    if (file.writes(run) && !file.is_replaced()) return &file;
  }
  if (is_file(path_)) {
    TRY(LedgerFile* const file, ledger());
    TRY(const bool here, file->has(run));
    if (here) return file;
  }
  const auto own = run_file(run);
  if (is_file(own)) {
    TRY(LedgerFile* const file, file_at(own));
    TRY(const bool here, file->has(run));
    if (here) return file;
  }
  return no_such_run(run, path_);
}

Result<LedgerFile*> FolderStore::file_for(std::string_view run) {
  auto file = file_of(run);
  if (file || file.error().code != Errc::absent) return file;
  return file_at(form_ == StoreForm::one_file ? path_ : run_file(run));
}

Result<void> FolderStore::visit_files(const std::function<Result<void>(LedgerFile&)>& visit) {
  if (is_file(path_)) {
    TRY(LedgerFile* const file, ledger());
    CHECK(visit(*file));
  }
  for (const auto& path : run_files()) {
    const bool was_open = open_.contains(path);
    auto file = file_at(path);
    const auto visited = file ? visit(**file) : Result<void>{std::unexpected{std::move(file).error()}};
    // One run's file that cannot be read does not hide the others.
    if (!visited) notice(visited.error().what);
    if (!was_open) close(path);
  }
  return {};
}

Result<void> FolderStore::put_run(const Run& run) {
  TRY(LedgerFile* const file, file_for(run.id));
  return file->put_run(run, clock_.now().wall);
}

Result<void> FolderStore::append(std::string_view run, RunDelta delta) {
  TRY(LedgerFile* const file, file_of(run));
  return file->append(run, std::move(delta));
}

Result<void> FolderStore::clear_entries(std::string_view run) {
  TRY(LedgerFile* const file, file_of(run));
  return file->clear_entries(run);
}

// Every file is tried: one that cannot be written keeps no other from lasting.
Result<void> FolderStore::commit() {
  Result<void> all;
  for (auto& [path, file] : open_) {
    auto one = file.commit();
    if (!one && all) all = std::move(one);
  }
  return all;
}

Result<void> FolderStore::remove(std::string_view run) {
  const auto own = run_file(run);
  TRY(LedgerFile* const file, file_of(run));
  if (file->connection().path() == path_) CHECK(file->remove(run));
  if (!is_file(own)) return {};
  close(own);
  std::error_code error;
  std::filesystem::remove(own, error);
  if (error) return fail_errno(error.value(), "remove " + own.string());
  return {};
}

Result<LedgerFile*> FolderStore::floors_of(std::string_view host) {
  return file_at(form_ == StoreForm::one_file ? path_ : floors_file(host));
}

Result<void> FolderStore::put_floor(const LearntFloor& floor) {
  TRY(LedgerFile* const file, floors_of(floor.host));
  return file->put_floor(floor);
}

Result<void> FolderStore::put_calibration(const Calibration& calibration) {
  TRY(LedgerFile* const file, floors_of(calibration.host));
  return file->put_calibration(calibration);
}

// Wherever it stands, or an older one would hold again.
Result<std::size_t> FolderStore::forget_calibrations(std::string_view host, std::string_view device) {
  std::set<std::string> sensors;
  for (const auto& path : {path_, floors_file(host)}) {
    if (!is_file(path)) continue;
    TRY(LedgerFile* const file, file_at(path));
    TRY(const auto forgotten, file->forget_calibrations(host, device));
    sensors.insert(forgotten.begin(), forgotten.end());
  }
  return sensors.size();
}

Result<std::string> FolderStore::find(std::string_view reference) {
  if (reference.empty()) return fail(Errc::misuse, "expected a run: an id, a unique prefix of one, a name, or 'last'");
  if (file_of(reference)) return std::string{reference};
  std::vector<FoundRun> named;
  std::set<std::string> begun;
  const bool last = reference == "last";
  CHECK(visit_files([&](LedgerFile& file) -> Result<void> {
    TRY(const auto best, last ? newest_run(file.connection()) : runs_called(file.connection(), reference));
    named.insert(named.end(), best.begin(), best.end());
    TRY(const auto some, runs_beginning(file.connection(), reference));
    for (const FoundRun& run : some) begun.insert(run.id);
    return {};
  }));
  if (!named.empty()) return std::ranges::min_element(named, newer)->id;
  if (begun.empty()) return no_such_run(reference, path_);
  if (begun.size() == 1) return *begun.begin();
  std::string ids;
  for (const std::string& id : begun) ids += (ids.empty() ? "" : ", ") + id;
  return fail(Errc::misuse, "'" + std::string{reference} + "' begins several runs: " + ids);
}

Result<RunRecord> FolderStore::read(std::string_view run) {
  TRY(LedgerFile* const file, file_of(run));
  return file->read(run);
}

Result<std::vector<RunSummary>> FolderStore::list(const RunFilter& filter) {
  ListedRuns listed;
  std::size_t files = 0;
  CHECK(visit_files([&](LedgerFile& file) -> Result<void> {
    ++files;
    return list_runs(file.connection(), filter, listed);
  }));
  for (const std::string& what : listed.damaged) notice(what);
  const bool in_order = std::ranges::is_sorted(listed.recorded_wall, std::greater{});
  return files > 1 || !in_order ? in_one_list(std::move(listed), filter.limit) : std::move(listed.runs);
}

Result<std::vector<SeriesPoint>> FolderStore::series(std::string_view run, std::string_view device, Track track) {
  TRY(LedgerFile* const file, file_of(run));
  return file->series(run, {.device = std::string{device}, .track = track});
}

Result<std::vector<SeriesSlice>> FolderStore::slices(std::string_view run, std::string_view device, Track track,
                                                     std::size_t count) {
  TRY(LedgerFile* const file, file_of(run));
  return file->slices(run, {.device = std::string{device}, .track = track}, count);
}

Result<std::vector<LearntFloor>> FolderStore::floors(std::string_view host) {
  std::vector<LearntFloor> floors;
  for (const auto& path : {path_, floors_file(host)}) {
    if (!is_file(path)) continue;
    TRY(LedgerFile* const file, file_at(path));
    TRY(auto some, file->floors(host));
    for (LearntFloor& floor : some) {
      keep_newest(
          floors, std::move(floor), [](const auto& f) { return f.device; },
          [](const auto& f) { return f.learnt_wall; });
    }
  }
  return floors;
}

Result<std::optional<LearntFloor>> FolderStore::floor(std::string_view host, std::string_view device) {
  TRY(auto floors, this->floors(host));
  const auto found = std::ranges::find(floors, device, &LearntFloor::device);
  return found == floors.end() ? std::nullopt : std::optional{std::move(*found)};
}

Result<std::vector<Calibration>> FolderStore::calibrations(std::string_view host) {
  std::vector<Calibration> calibrations;
  for (const auto& path : {path_, floors_file(host)}) {
    if (!is_file(path)) continue;
    TRY(LedgerFile* const file, file_at(path));
    TRY(auto some, file->calibrations(host));
    for (Calibration& calibration : some) {
      keep_newest(
          calibrations, std::move(calibration), [](const auto& c) { return std::pair{c.device, c.sensor}; },
          [](const auto& c) { return c.made_wall; });
    }
  }
  return calibrations;
}

Result<std::size_t> FolderStore::drop_series_before(Nanoseconds wall) {
  std::size_t touched = 0;
  CHECK(visit_files([&](LedgerFile& file) -> Result<void> {
    TRY(const std::size_t some, file.drop_series_before(wall));
    touched += some;
    return {};
  }));
  return touched;
}

}  // namespace everywatt
