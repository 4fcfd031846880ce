#include "import/mllog_result.h"

#include <fmt/core.h>

#include <optional>

#include "base/text.h"
#include "import/line_findings.h"
#include "import/mllog_line.h"
#include "import/phase_tree.h"

namespace everywatt {
namespace {

using Event = MllogRecord::Event;

struct Mark {
  std::size_t line = 0;
  Nanoseconds time = 0;
};

// "block" of "block_start".
std::optional<std::string> without_suffix(const std::string& key, std::string_view suffix) {
  if (!key.ends_with(suffix) || key.size() == suffix.size()) return std::nullopt;
  return key.substr(0, key.size() - suffix.size());
}

class ResultReader {
 public:
  explicit ResultReader(std::string_view name) : name_{name} {}

  Result<void> take_line(std::size_t line, std::string_view text);
  Result<MllogResult> finish();

 private:
  struct Open {
    std::string phase;
    Nanoseconds begin;
  };
  Result<void> take(std::size_t line, const MllogRecord& record);
  Result<void> mark(std::optional<Mark>& mark, std::size_t line, const MllogRecord& record);
  void begin_phase(const MllogRecord& record);
  void end_phase(std::size_t line, const MllogRecord& record);
  void take_value(const MllogRecord& record);
  void take_system(std::size_t line, std::string_view payload);
  Result<TimeSpan> run() const;

  std::string name_;
  MllogResult result_;
  std::optional<Mark> start_;
  std::optional<Mark> stop_;
  std::vector<Open> open_;
  std::vector<NamedInterval> intervals_;
  LineFindings bad_;
};

Result<void> ResultReader::take_line(std::size_t line, std::string_view text) {
  if (const auto payload = mllog_payload(text)) {
    const auto record = parse_mllog(*payload);
    if (record) return take(line, *record);
    bad_.add(line, record.error().what);
  } else if (const auto system = sysjson_payload(text)) {
    take_system(line, *system);
  }
  return {};
}

Result<void> ResultReader::take(std::size_t line, const MllogRecord& record) {
  if (record.key == "run_start") return mark(start_, line, record);
  if (record.key == "run_stop") {
    if (const auto status = record.metadata.find("status"); status != record.metadata.end()) {
      result_.tags["status"] = status->second;
      result_.success = status->second == "success";
    }
    return mark(stop_, line, record);
  }
  if (record.event == Event::begin) begin_phase(record);
  if (record.event == Event::end) end_phase(line, record);
  if (record.event == Event::point) take_value(record);
  return {};
}

Result<void> ResultReader::mark(std::optional<Mark>& mark, std::size_t line, const MllogRecord& record) {
  if (mark && mark->time != record.time)
    return fail(Errc::malformed,
                fmt::format("{0}:{1}: a second {2} (the first is at {0}:{3}): one record holds one run, "
                            "split the file",
                            name_, line, record.key, mark->line));
  if (mark) result_.notices.push_back(fmt::format("{}:{}: {} is repeated with the same time", name_, line, record.key));
  mark = Mark{line, record.time};
  return {};
}

void ResultReader::begin_phase(const MllogRecord& record) {
  open_.push_back({without_suffix(record.key, "_start").value_or(record.key), record.time});
}

void ResultReader::end_phase(std::size_t line, const MllogRecord& record) {
  const std::string phase = without_suffix(record.key, "_stop").value_or(record.key);
  for (auto open = open_.rbegin(); open != open_.rend(); ++open) {
    if (open->phase != phase || open->begin > record.time) continue;
    intervals_.push_back({phase, {open->begin, record.time}});
    open_.erase(std::next(open).base());
    return;
  }
  result_.notices.push_back(fmt::format("{}:{}: {} without a begin before it is left out", name_, line, record.key));
}

void ResultReader::take_value(const MllogRecord& record) {
  if (const auto* number = std::get_if<double>(&record.value)) result_.metrics[record.key] = *number;
  if (const auto* text = std::get_if<std::string>(&record.value)) result_.tags[record.key] = *text;
  if (const auto* table = std::get_if<std::map<std::string, double>>(&record.value))
    for (const auto& [name, number] : *table) result_.metrics[name] = number;
}

void ResultReader::take_system(std::size_t line, std::string_view payload) {
  if (auto system = parse_sysjson(payload))
    result_.environment = *std::move(system);
  else
    result_.notices.push_back(fmt::format("{}:{}: the system's description: {}", name_, line, system.error().what));
}

Result<TimeSpan> ResultReader::run() const {
  const std::string bad = bad_.empty() ? "" : "; not readable there: " + bad_.text();
  const auto missing = [&](std::string_view what) {
    return fail(Errc::malformed, fmt::format("{}: no {} record: without it nobody knows which readings are the run's; "
                                             "add its :::MLLOG line{}",
                                             name_, what, bad));
  };
  if (!start_ && !stop_) return missing("run_start and no run_stop");
  if (!start_) return missing("run_start");
  if (!stop_) return missing("run_stop");
  if (stop_->time <= start_->time)
    return fail(Errc::malformed, fmt::format("{0}:{1}: run_stop is not after run_start ({0}:{2}): correct the times",
                                             name_, stop_->line, start_->line));
  return TimeSpan{start_->time, stop_->time};
}

Result<MllogResult> ResultReader::finish() {
  TRY(result_.run, run());
  if (!bad_.empty()) result_.notices.push_back(fmt::format("{}: records left out: {}", name_, bad_.text()));
  for (const Open& open : open_) {
    result_.notices.push_back(fmt::format("{}: phase {} never ends: taken to the end of the run", name_, open.phase));
    if (open.begin < result_.run.end) intervals_.push_back({open.phase, {open.begin, result_.run.end}});
  }
  result_.phases = nest(intervals_, result_.run, result_.notices);
  return std::move(result_);
}

}  // namespace

Result<MllogResult> parse_mllog_result(std::string_view name, std::string_view text) {
  ResultReader reader{name};
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) CHECK(reader.take_line(++number, line));
  return reader.finish();
}

}  // namespace everywatt
