#include "cli/job_voice.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "base/overloaded.h"
#include "cli/mark_sockets.h"
#include "job/rank.h"
#include "model/work_name.h"

namespace everywatt {
namespace {

// Facts that a job states: as many as a person could want, not as many as a loop can make.
constexpr std::size_t kMostFacts = 1000;

void note(Run& run, const std::string& line) {
  if (std::ranges::find(run.notices, line) == run.notices.end()) run.notices.push_back(line);
}

template <class Value>
void set(std::map<std::string, Value>& facts, const std::string& key, Value value, std::string_view what, Run& run) {
  if (facts.size() >= kMostFacts && !facts.contains(key))
    return note(run, "the job states more than " + std::to_string(kMostFacts) + " " + std::string{what} +
                         ": further ones are left out");
  facts[key] = std::move(value);
}

}  // namespace

Result<JobVoice> JobVoice::open(const std::string& run) { return open_at(mark_socket_of(run)); }

Result<JobVoice> JobVoice::open_at(const std::filesystem::path& path) {
  TRY(auto server, marks::MarkServer::listen(path));
  return JobVoice{std::move(server)};
}

void JobVoice::hear(Nanoseconds now, Meter& meter, Run& run) {
  conclude(server_.accept_and_drain(now, [&](const Mark& mark) { take(mark, meter, run); }), meter, run);
  input_workers_.look(now, meter);
}

void JobVoice::finish(Nanoseconds now, Meter& meter, Run& run) {
  conclude(server_.finish(now, [&](const Mark& mark) { take(mark, meter, run); }), meter, run);
}

void JobVoice::take(const Mark& mark, Meter& meter, Run& run) {
  meter.take(mark);
  std::visit(
      Overloaded{[&](const ProcessBegin&) {
                   ++speakers_;
                   if (const auto rank = rank_of(mark.lane.process.pid))
                     meter.ranks().set_rank(mark.lane.process, *rank);
                 },
                 [&](const ProcessEnd&) {
                   --speakers_;
                   input_workers_.forget(mark.lane.process);
                 },
                 [&](const StepMark&) { take_step(mark.lane.process, run); },
                 [&](const MetricMark& metric) { take_metric(metric, run); },
                 [&](const TagMark& tag) { take_tag(mark, tag, run); },
                 [&](const CountMark& count) { run.work[work_name(count)] += static_cast<double>(count.amount); },
                 [&](const FlopsMark& flops) { run.work[work_name(flops)] += flops.amount / flop; },
                 [](const auto&) {}},
      mark.what);
}

// Numbers of processes say nothing once the run has ended: they are no fact of it.
void JobVoice::take_tag(const Mark& mark, const TagMark& tag, Run& run) {
  if (tag.key == InputWorkers::kTag) return input_workers_.take(mark.lane.process, mark.time, tag.value);
  set(run.tags, tag.key, tag.value, "tags", run);
}

// The ranks of one job step together: its steps are those of the one that has made most.
void JobVoice::take_step(const ProcessKey& process, Run& run) {
  double& steps = run.work["steps"];
  steps = std::max(steps, static_cast<double>(++steps_[process]));
}

void JobVoice::take_metric(const MetricMark& metric, Run& run) {
  if (!std::isfinite(metric.value))
    return note(run, "metric " + metric.name + ": not a finite number at times; the last finite one stands");
  set(run.metrics, metric.name, metric.value, "metrics", run);
}

void JobVoice::conclude(const std::vector<std::string>& lines, Meter& meter, Run& run) {
  for (const std::string& line : lines) note(run, line);
  meter.ranks().settle();
  for (const std::string& line : meter.phases().notices()) note(run, line);
  const auto [dropped, torn] = server_.loss();
  run.overhead.marks_dropped = dropped + torn;
}

}  // namespace everywatt
