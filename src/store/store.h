// The ledger on disk: the only room that knows a file format. What commit()
// acknowledged survives kill -9; a power cut may lose the last seconds but
// never consistency. One Store is used by one thread; any number of processes
// may have the same file open.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/calibration.h"
#include "model/run.h"

namespace everywatt {

struct RunFilter {
  std::string project = {};
  std::size_t limit = 0;  // newest first; 0: all
};

// min, max and mean of the values in equal slices of time; a slice without points is left out.
struct SeriesSlice {
  Nanoseconds begin = 0;
  std::int64_t min = 0;
  std::int64_t max = 0;
  double mean = 0;
  std::uint64_t count = 0;
};

// The floor power learnt of a device: what it draws when nobody works.
struct LearntFloor {
  std::string host;
  std::string device;
  double watts = 0;
  std::string method = {};    // envelope, regression, prior
  std::uint64_t windows = 0;  // how many observations stand behind it
  Nanoseconds learnt_wall = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // Writes. Nothing lasts before commit().
  virtual Result<void> put_run(const Run&) = 0;  // inserts, or replaces the run's facts
  virtual Result<void> append(std::string_view run, RunDelta) = 0;
  virtual Result<void> clear_entries(std::string_view run) = 0;  // before they are rebuilt from the series
  virtual Result<void> commit() = 0;
  virtual Result<void> remove(std::string_view run) = 0;  // with all that belongs to it; commits
  virtual Result<void> put_floor(const LearntFloor&) = 0;
  virtual Result<void> put_calibration(const Calibration&) = 0;
  // Of all its sensors; returns how many there were. Commits.
  virtual Result<std::size_t> forget_calibrations(std::string_view host, std::string_view device) = 0;

  // Reads: what is committed. A reference is an id, a unique prefix of one, a name (the newest of
  // that name), or "last". Errc::absent: no such run; misuse: several match.
  virtual Result<std::string> find(std::string_view reference) = 0;
  virtual Result<RunRecord> read(std::string_view run) = 0;
  // Newest first.
  virtual Result<std::vector<RunSummary>> list(const RunFilter& = {}) = 0;
  virtual Result<std::vector<SeriesPoint>> series(std::string_view run, std::string_view device, Track) = 0;
  virtual Result<std::vector<SeriesSlice>> slices(std::string_view run, std::string_view device, Track,
                                                  std::size_t count) = 0;
  virtual Result<std::optional<LearntFloor>> floor(std::string_view host, std::string_view device) = 0;
  virtual Result<std::vector<LearntFloor>> floors(std::string_view host) = 0;
  virtual Result<std::vector<Calibration>> calibrations(std::string_view host) = 0;

  // Takes over all runs of the store at `from` that are not here yet; returns
  // how many. `from` is a ledger, one run's file, or the folder of either; our
  // own path folds the files of single runs into the ledger.
  virtual Result<std::size_t> merge(const std::filesystem::path& from) = 0;
  // Drops series (entries stay) of runs that ended before `wall`; returns how many runs it touched. The room is used
  // again; a file does not shrink.
  virtual Result<std::size_t> drop_series_before(Nanoseconds wall) = 0;

  // What was noticed so far, each once: "everywatt.db was damaged and set aside as …".
  virtual std::vector<std::string> notices() const = 0;
  virtual std::filesystem::path path() const = 0;
};

enum class StoreForm {
  automatic,     // by the file system that the folder is on
  one_file,      // WAL: local disks
  file_per_run,  // rollback journal, one writer a file: network file systems, where WAL is unsafe
};

struct StoreOptions {
  StoreForm form = StoreForm::automatic;
  bool create = true;      // else an absent store is Errc::absent
  Clock* clock = nullptr;  // dates imports and what is set aside; null: the system's
  // Told what is noticed, when it is, each once: for stderr.
  std::function<void(std::string_view)> tell = {};
};

// `path` is the file everywatt.db; runs of the file-per-run form lie in the
// folder `runs` beside it. A damaged file is set aside under another name,
// never overwritten.
Result<std::unique_ptr<Store>> open_store(const std::filesystem::path& path, const StoreOptions& = {});

// EVERYWATT_DB, else $XDG_DATA_HOME/everywatt/everywatt.db, else
// ~/.local/share/everywatt/everywatt.db. Where HOME is unset or not writable:
// a folder of this user's own under the temporary folder, and `notice` says so.
struct StorePlace {
  std::filesystem::path path;
  StoreForm form = StoreForm::automatic;  // EVERYWATT_STORE_FORM: one-file or file-per-run
  std::optional<std::string> notice = {};
};
Result<StorePlace> default_store_place();

}  // namespace everywatt
