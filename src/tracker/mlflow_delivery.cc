#include "tracker/mlflow_delivery.h"

#include <algorithm>
#include <map>

namespace everywatt {
namespace {

// The tag by which a job says which run of MLflow's it has begun itself.
constexpr const char* kJobsRun = "mlflow.run_id";

std::string remote_status(RunStatus status) {
  switch (status) {
    case RunStatus::running:
      return "RUNNING";
    case RunStatus::finished:
      return "FINISHED";
    case RunStatus::failed:
      return "FAILED";
    case RunStatus::killed:
    case RunStatus::lost:
      return "KILLED";
  }
  return "FAILED";
}

}  // namespace

Result<MlflowDelivery> MlflowDelivery::open(MlflowServer& server, const MlflowTarget& target, const DeliveryFile& file,
                                            const std::string& our_run) {
  TRY(const auto earlier, file.read());
  Delivery state{.run = our_run, .url = target.url, .interval = target.interval};
  if (earlier && earlier->url == target.url) {
    state = *earlier;
  } else if (target.join_run) {
    state.remote_run = *target.join_run;
  }
  // From here on the run counts as undelivered, whatever becomes of this process.
  CHECK(file.write(state));
  return MlflowDelivery{server, target, file, std::move(state)};
}

// The ledger has all points still: what went into a run of our own goes once more into the job's.
Result<void> MlflowDelivery::follow_the_job(const Run& run) {
  const auto said = run.tags.find(kJobsRun);
  if (said == run.tags.end() || said->second == state_.remote_run || (!state_.remote_run.empty() && !state_.made_here))
    return {};
  const std::string ours = std::exchange(state_.remote_run, said->second);
  remote_ = {};
  is_in_doubt_ = true;
  state_.made_here = false;
  state_.points_until = 0;
  CHECK(file_.write(state_));
  if (!ours.empty()) (void)server_.delete_run(ours);
  return {};
}

Result<void> MlflowDelivery::find_or_make(const Run& run) {
  CHECK(follow_the_job(run));
  if (!remote_.id.empty()) return {};
  if (state_.remote_run.empty()) {
    TRY(const std::string experiment, server_.experiment());
    // One that was made although its answer never came is found by its tag.
    TRY(const auto made_before, server_.run_of(experiment, run.id));
    if (made_before) {
      remote_ = *made_before;
    } else {
      TRY(remote_, server_.create_run(experiment, target_.run_name.value_or(run.name), run));
    }
    state_.remote_run = remote_.id;
    state_.made_here = true;
    return file_.write(state_);
  }
  auto found = server_.run(state_.remote_run);
  if (!found && found.error().code == Errc::absent) {
    return fail(Errc::absent,
                "MLflow at " + target_.url + " has no run " + state_.remote_run +
                    (state_.made_here ? " any more: remove " + file_.path().string() + " to deliver into a new one"
                                      : ": check MLFLOW_RUN_ID, or remove " + file_.path().string()));
  }
  if (!found) return std::unexpected{found.error()};
  if (found->is_deleted) {
    return fail(Errc::absent, "run " + state_.remote_run + " was deleted from MLflow at " + target_.url +
                                  ": restore it (mlflow runs restore --run-id " + state_.remote_run + "), or remove " +
                                  file_.path().string() + " to deliver into a new one");
  }
  remote_ = *std::move(found);
  return {};
}

Result<void> MlflowDelivery::remove_known(std::vector<MlflowMetric>& metrics) {
  std::map<std::string, std::set<MlflowPlace>> known;
  for (const MlflowMetric& metric : metrics) {
    if (known.contains(metric.key)) continue;
    TRY(known[metric.key], server_.history(remote_.id, metric.key));
  }
  std::erase_if(metrics, [&](const MlflowMetric& m) { return known[m.key].contains({m.timestamp_ms, m.step}); });
  return {};
}

Result<void> MlflowDelivery::send(std::vector<MlflowMetric> metrics, const std::vector<MlflowTag>& tags) {
  if (is_in_doubt_ && !metrics.empty()) CHECK(remove_known(metrics));
  for (const std::string& body : mlflow_batches(remote_.id, metrics, tags)) {
    // A batch whose answer does not come may be there in part.
    is_in_doubt_ = true;
    if (auto sent = server_.log_batch(body); !sent) {
      // Whether it was deleted meanwhile is for find_or_make() to see.
      if (sent.error().code != Errc::io) remote_ = {};
      return sent;
    }
  }
  is_in_doubt_ = false;
  return {};
}

Result<void> MlflowDelivery::conclude(const Deliverable& run) {
  CHECK(send(mlflow_final_metrics(run.bill), mlflow_tags(run.bill)));
  auto put = server_.put_artifact(remote_, "everywatt/bill.json", run.bill_json);
  if (!put && put.error().code == Errc::io) return put;
  state_.bill = put ? "delivered" : put.error().what;
  if (state_.made_here) {
    const Nanoseconds ended = run.bill.run.started.wall + run.bill.duration;
    CHECK(server_.end_run(remote_.id, remote_status(run.bill.run.status), ended / kMillisecond));
  }
  state_.complete = true;
  return {};
}

Result<void> MlflowDelivery::send_points(const Deliverable& run) {
  const auto ticks = run.ticks(state_.interval, state_.points_until);
  CHECK(send(mlflow_live_metrics(ticks, run.bill.run.started), {}));
  if (!ticks.empty()) state_.points_until = ticks.back().elapsed;
  return {};
}

Result<void> MlflowDelivery::deliver(const Deliverable& run) {
  if (state_.complete) return {};
  CHECK(find_or_make(run.bill.run));
  auto sent = send_points(run);
  if (sent && run.has_ended) sent = conclude(run);
  // A plain no: the run may have been deleted meanwhile, which is said more plainly when one asks for it.
  if (!sent && remote_.id.empty()) CHECK(find_or_make(run.bill.run));
  if (!sent) return sent;
  state_.trouble.reset();
  return file_.write(state_);
}

bool MlflowDelivery::note_trouble(const std::string& line, Nanoseconds wall) {
  const bool is_news = !state_.trouble || state_.trouble->line != line;
  state_.trouble = {.time = iso_time(wall), .line = line};
  if (is_news) (void)file_.write(state_);
  return is_news;
}

}  // namespace everywatt
