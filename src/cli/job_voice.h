// What the job says of itself while it is recorded: its marks are heard, phases go to the meter, and metrics, tags and
// counts become facts of the run.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/input_workers.h"
#include "marks/mark_server.h"
#include "meter/meter.h"
#include "model/run.h"

namespace everywatt {

class JobVoice {
 public:
  // Listens on a socket of this run's own, in $XDG_RUNTIME_DIR or the temporary folder.
  static Result<JobVoice> open(const std::string& run);
  // Listens at a path that the job knows.
  static Result<JobVoice> open_at(const std::filesystem::path& path);
  // For the job's EVERYWATT_SOCKET.
  [[nodiscard]] const std::string& socket() const { return server_.path().native(); }
  // Somebody speaks, or is about to: to be heard ten times a second.
  [[nodiscard]] bool is_speaking() const { return speakers_ > 0 || server_.has_callers(); }
  // Readable when somebody calls who has not been heard yet.
  [[nodiscard]] int callers_fd() const { return server_.callers_fd(); }

  // What was said since the last call. `now` is CLOCK_MONOTONIC. What a reader of the bill must know is added to the
  // run.
  void hear(Nanoseconds now, Meter& meter, Run& run);
  // The same, and nobody says anything any more.
  void finish(Nanoseconds now, Meter& meter, Run& run);

 private:
  explicit JobVoice(marks::MarkServer server) : server_{std::move(server)} {}
  void take(const Mark& mark, Meter& meter, Run& run);
  void take_tag(const Mark& mark, const TagMark& tag, Run& run);
  void take_metric(const MetricMark& metric, Run& run);
  void take_step(const ProcessKey& process, Run& run);
  void conclude(const std::vector<std::string>& lines, Meter& meter, Run& run);

  marks::MarkServer server_;
  std::size_t speakers_ = 0;
  std::map<ProcessKey, std::uint64_t> steps_;
  InputWorkers input_workers_;
};

}  // namespace everywatt
