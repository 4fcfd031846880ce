#include "tracker/mlflow_server.h"

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "net/encode.h"
#include "net/retry.h"

namespace everywatt {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kArtifactScheme = "mlflow-artifacts:";
constexpr std::size_t kLongestMessage = 300;

// The value at a path of names; null where there is none.
const Json& at(const Json& json, std::initializer_list<const char*> path) {
  static const Json kNull;
  const Json* here = &json;
  for (const char* name : path) {
    const auto found = here->find(name);
    if (found == here->end()) return kNull;
    here = &*found;
  }
  return *here;
}

std::string text_at(const Json& json, std::initializer_list<const char*> path) {
  const Json& value = at(json, path);
  return value.is_string() ? value.get<std::string>() : "";
}

// A 64-bit number comes as a number or, by protobuf's mapping to JSON, as a text.
std::optional<std::int64_t> whole_at(const Json& json, const char* name) {
  const Json& value = at(json, {name});
  if (value.is_number_integer()) return value.get<std::int64_t>();
  return value.is_string() ? parse_i64(value.get<std::string>()) : std::nullopt;
}

// A server's words become one line without what could move a cursor.
std::string one_line(std::string text) {
  text.resize(std::min(text.size(), kLongestMessage));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return std::string{trim(text)};
}

std::optional<MlflowRun> run_in(const Json& json) {
  MlflowRun run{.id = text_at(json, {"info", "run_id"}),
                .artifact_uri = text_at(json, {"info", "artifact_uri"}),
                .is_deleted = text_at(json, {"info", "lifecycle_stage"}) == "deleted"};
  return run.id.empty() ? std::nullopt : std::optional{std::move(run)};
}

std::unexpected<Error> no_mlflow(const MlflowTarget& target) {
  return fail(Errc::malformed, target.url + " answers, but not as an MLflow server does: check tracking_uri");
}

// Names come from jobs and may hold any bytes; what is no UTF-8 is replaced, not refused.
std::string written(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json body_of(const std::string& text) { return Json::parse(text, nullptr, false); }

}  // namespace

std::unexpected<Error> MlflowServer::refusal(const HttpResponse& response) const {
  const Json json = body_of(response.body);
  const std::string error = json.is_object() ? text_at(json, {"error_code"}) : "";
  const std::string message = json.is_object() ? one_line(text_at(json, {"message"})) : "";
  const std::string where = "MLflow at " + target_.url + " answered " + std::to_string(response.status);
  const std::string said = (error.empty() ? "" : " " + one_line(error)) + (message.empty() ? "" : ": " + message);
  if (is_passing(response.status)) return fail(Errc::io, where + said);
  if (response.status == 401 || response.status == 403) {
    return fail(Errc::denied,
                where + (response.status == 401 ? " (not logged in)" : " (no permission)") +
                    ": check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN");
  }
  if (error == "RESOURCE_DOES_NOT_EXIST") return fail(Errc::absent, where + said);
  if (error.empty() && (response.status == 404 || response.status == 405 || response.status < 400))
    return no_mlflow(target_);
  return fail(Errc::misuse, where + said);
}

Result<std::string> MlflowServer::send(const std::string& method, const std::string& path, const std::string& body) {
  HttpRequest request{.method = method, .url = target_.url + "/api/2.0" + path};
  if (method == "POST") request.headers.emplace_back("Content-Type: application/json");
  if (!target_.authorization.empty()) request.headers.push_back(target_.authorization);
  request.body = body;
  asked_to_wait_.reset();
  auto response = client_.send(request);
  if (!response) {
    const Error& error = response.error();
    return fail(error.code, "MLflow at " + target_.url + " cannot be reached: " + error.what +
                                (error.code == Errc::io ? ": is the server up, and tracking_uri right?" : ""));
  }
  asked_to_wait_ = response->retry_after;
  if (response->status != 200) return refusal(*response);
  return std::move(response->body);
}

Result<std::string> MlflowServer::experiment() {
  const std::string get = "/mlflow/experiments/get-by-name?experiment_name=" + percent_encode(target_.experiment);
  for (int tries = 0; tries < 2; ++tries) {
    const auto found = send("GET", get);
    if (found) {
      const Json json = body_of(*found);
      std::string id = text_at(json, {"experiment", "experiment_id"});
      if (id.empty()) return no_mlflow(target_);
      if (text_at(json, {"experiment", "lifecycle_stage"}) != "deleted") return id;
      return fail(Errc::misuse, "MLflow at " + target_.url + ": experiment '" + target_.experiment +
                                    "' was deleted: restore it, or name another (export.mlflow.experiment)");
    }
    if (found.error().code != Errc::absent) return std::unexpected{found.error()};
    const auto made = send("POST", "/mlflow/experiments/create", written({{"name", target_.experiment}}));
    if (made) {
      std::string id = text_at(body_of(*made), {"experiment_id"});
      if (id.empty()) return no_mlflow(target_);
      return id;
    }
    // Another process may have made it meanwhile: it is looked up once more.
    if (tries == 1 || !made.error().what.contains("RESOURCE_ALREADY_EXISTS")) return std::unexpected{made.error()};
  }
  return no_mlflow(target_);
}

Result<MlflowRun> MlflowServer::run(const std::string& id) {
  TRY(const std::string text, send("GET", "/mlflow/runs/get?run_id=" + percent_encode(id)));
  const auto run = run_in(at(body_of(text), {"run"}));
  if (!run) return no_mlflow(target_);
  return *run;
}

Result<std::optional<MlflowRun>> MlflowServer::run_of(const std::string& experiment, const std::string& our_run) {
  const Json body{{"experiment_ids", {experiment}},
                  {"filter", "tags.`everywatt.run_id` = '" + our_run + "'"},
                  {"run_view_type", "ACTIVE_ONLY"},
                  {"max_results", 1}};
  TRY(const std::string text, send("POST", "/mlflow/runs/search", written(body)));
  const Json& json = body_of(text);
  if (!json.is_object()) return no_mlflow(target_);
  const Json& runs = at(json, {"runs"});
  if (!runs.is_array() || runs.empty()) return std::optional<MlflowRun>{};
  return run_in(runs.front());
}

Result<MlflowRun> MlflowServer::create_run(const std::string& experiment, const std::string& name, const Run& our_run) {
  Json tags =
      Json::array({{{"key", "everywatt.run_id"}, {"value", our_run.id}},
                   {{"key", "mlflow.source.name"}, {"value", our_run.command.empty() ? "" : our_run.command.front()}},
                   {{"key", "mlflow.source.type"}, {"value", "LOCAL"}}});
  const Json body{{"experiment_id", experiment},
                  {"run_name", name},
                  {"start_time", our_run.started.wall / kMillisecond},
                  {"tags", std::move(tags)}};
  TRY(const std::string text, send("POST", "/mlflow/runs/create", written(body)));
  const auto run = run_in(at(body_of(text), {"run"}));
  if (!run) return no_mlflow(target_);
  return *run;
}

Result<void> MlflowServer::log_batch(const std::string& body) {
  CHECK(send("POST", "/mlflow/runs/log-batch", body));
  return {};
}

Result<std::set<MlflowPlace>> MlflowServer::history(const std::string& run, const std::string& key) {
  std::set<MlflowPlace> places;
  std::string page, last;
  do {
    const std::string more = page.empty() ? "" : "&page_token=" + percent_encode(page);
    TRY(const std::string text, send("GET", "/mlflow/metrics/get-history?run_id=" + percent_encode(run) +
                                                "&metric_key=" + percent_encode(key) + more));
    const Json json = body_of(text);
    if (!json.is_object()) return no_mlflow(target_);
    for (const Json& metric : at(json, {"metrics"})) {
      const auto timestamp = whole_at(metric, "timestamp");
      if (timestamp) places.emplace(*timestamp, whole_at(metric, "step").value_or(0));
    }
    last = std::exchange(page, text_at(json, {"next_page_token"}));
  } while (!page.empty() && page != last);
  return places;
}

Result<void> MlflowServer::end_run(const std::string& run, const std::string& status, std::int64_t ended_ms) {
  CHECK(send("POST", "/mlflow/runs/update", written({{"run_id", run}, {"status", status}, {"end_time", ended_ms}})));
  return {};
}

Result<void> MlflowServer::delete_run(const std::string& run) {
  CHECK(send("POST", "/mlflow/runs/delete", written({{"run_id", run}})));
  return {};
}

Result<void> MlflowServer::put_artifact(const MlflowRun& run, const std::string& path, const std::string& body) {
  std::string_view root = run.artifact_uri;
  if (!root.starts_with(kArtifactScheme)) {
    return fail(Errc::absent,
                "MLflow keeps this run's artifacts at " +
                    one_line(run.artifact_uri.substr(0, run.artifact_uri.find("://"))) +
                    ", not through the server (mlflow server --serve-artifacts): the bill is not among them");
  }
  root.remove_prefix(kArtifactScheme.size());
  if (root.starts_with("//")) root = root.substr(std::min(root.find('/', 2), root.size()));  // its host is the server's
  while (root.starts_with('/')) root.remove_prefix(1);
  CHECK(
      send("PUT", "/mlflow-artifacts/artifacts/" + percent_encode(root, "/") + "/" + percent_encode(path, "/"), body));
  return {};
}

}  // namespace everywatt
