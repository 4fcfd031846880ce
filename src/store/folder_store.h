// A ledger and the single-run files beside it, as one Store:
//
//   everywatt.db          all runs, on a local disk
//   runs/<id>.db          one run each, where the file system is a network's
//   runs/floors-<host>.db what one host learnt, likewise
//
// Both are always read; the form says where new runs are written. A run that
// stands in both is the ledger's. All files have the same tables.
#pragma once
#include <functional>
#include <map>
#include <set>

#include "store/ledger_file.h"
#include "store/store.h"

namespace everywatt {

class FolderStore final : public Store {
 public:
  // `form` is not automatic any more.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& path, StoreForm form,
                                             const StoreOptions& options);

  Result<void> put_run(const Run& run) override;
  Result<void> append(std::string_view run, RunDelta delta) override;
  Result<void> clear_entries(std::string_view run) override;
  Result<void> commit() override;
  Result<void> remove(std::string_view run) override;
  Result<void> put_floor(const LearntFloor& floor) override;
  Result<void> put_calibration(const Calibration& calibration) override;
  Result<std::size_t> forget_calibrations(std::string_view host, std::string_view device) override;

  Result<std::string> find(std::string_view reference) override;
  Result<RunRecord> read(std::string_view run) override;
  Result<std::vector<RunSummary>> list(const RunFilter& filter) override;
  Result<std::vector<SeriesPoint>> series(std::string_view run, std::string_view device, Track track) override;
  Result<std::vector<SeriesSlice>> slices(std::string_view run, std::string_view device, Track track,
                                          std::size_t count) override;
  Result<std::optional<LearntFloor>> floor(std::string_view host, std::string_view device) override;
  Result<std::vector<LearntFloor>> floors(std::string_view host) override;
  Result<std::vector<Calibration>> calibrations(std::string_view host) override;

  Result<std::size_t> merge(const std::filesystem::path& from) override;
  Result<std::size_t> drop_series_before(Nanoseconds wall) override;

  std::vector<std::string> notices() const override { return notices_; }
  std::filesystem::path path() const override { return path_; }

 private:
  FolderStore(std::filesystem::path path, StoreForm form, Clock& clock, std::function<void(std::string_view)> tell)
      : path_{std::move(path)}, form_{form}, clock_{clock}, tell_{std::move(tell)} {}

  [[nodiscard]] Journal journal() const;
  [[nodiscard]] std::filesystem::path run_file(std::string_view run) const;
  [[nodiscard]] std::filesystem::path floors_file(std::string_view host) const;
  [[nodiscard]] std::vector<std::filesystem::path> run_files() const;
  Result<LedgerFile*> file_at(const std::filesystem::path& path);
  Result<LedgerFile*> ledger();                          // made where there is none
  Result<LedgerFile*> file_for(std::string_view run);    // where a run is, or is to be written
  Result<LedgerFile*> file_of(std::string_view run);     // Errc::absent: in none
  Result<LedgerFile*> floors_of(std::string_view host);  // where a host's floors and calibrations are written
  // Calls `visit` with the ledger, if there is one, then with every run's file.
  Result<void> visit_files(const std::function<Result<void>(LedgerFile&)>& visit);
  Result<std::size_t> fold_own_files();
  Result<void> take_file(const std::filesystem::path& from, std::set<std::string>& taken);
  Result<void> take_floors(Connection& from);
  void close(const std::filesystem::path& path) { open_.erase(path); }
  void notice(std::string what);

  std::filesystem::path path_;
  StoreForm form_;
  Clock& clock_;
  std::function<void(std::string_view)> tell_;
  std::map<std::filesystem::path, LedgerFile> open_;
  std::vector<std::string> notices_;
};

}  // namespace everywatt
