// The calls of MLflow's REST interface that we make (mlflow/protos/service.proto,
// mlflow_artifacts.proto), each one request and its answer. Nothing is tried
// again here: Errc::io says that the same may succeed later, and asked_to_wait()
// when; any other error stays. Each is one line with what to do.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "export/mlflow.h"
#include "net/http.h"
#include "tracker/mlflow_target.h"

namespace everywatt {

struct MlflowRun {
  std::string id;
  std::string artifact_uri = {};
  bool is_deleted = false;
};

// Where a point stands: (timestamp in milliseconds, step).
using MlflowPlace = std::pair<std::int64_t, std::int64_t>;

class MlflowServer {
 public:
  MlflowServer(HttpClient& client, const MlflowTarget& target) : client_{client}, target_{target} {}

  // Id of the target's experiment, which is made where there is none.
  Result<std::string> experiment();
  // Errc::absent: no such run.
  Result<MlflowRun> run(const std::string& id);
  // The newest that bears our run's id as a tag and was not deleted.
  Result<std::optional<MlflowRun>> run_of(const std::string& experiment, const std::string& our_run);
  Result<MlflowRun> create_run(const std::string& experiment, const std::string& name, const Run& our_run);
  Result<void> log_batch(const std::string& body);
  Result<std::set<MlflowPlace>> history(const std::string& run, const std::string& key);
  // FINISHED, FAILED, KILLED.
  Result<void> end_run(const std::string& run, const std::string& status, std::int64_t ended_ms);
  Result<void> delete_run(const std::string& run);
  // Into the run's artifacts through the server. Errc::absent: they lie where only their store's own client can write.
  Result<void> put_artifact(const MlflowRun& run, const std::string& path, const std::string& body);

  // What the last answer asked for.
  [[nodiscard]] std::optional<Nanoseconds> asked_to_wait() const { return asked_to_wait_; }

 private:
  Result<std::string> send(const std::string& method, const std::string& path, const std::string& body = {});
  [[nodiscard]] std::unexpected<Error> refusal(const HttpResponse& response) const;

  HttpClient& client_;
  const MlflowTarget& target_;
  std::optional<Nanoseconds> asked_to_wait_ = {};
};

}  // namespace everywatt
